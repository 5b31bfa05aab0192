import { Alert, Button, Checkbox, Group, Stack, Text, TextInput } from "@mantine/core";
import { Dropzone } from "@mantine/dropzone";
import { IconPhotoUp } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";

import { texts } from "@/texts";

import { Camera } from "./Camera";

interface Props {
  onPhoto: (source: Blob | string) => void;
  keep: boolean;
  onKeep: (keep: boolean) => void;
  busy: boolean;
}

const SAID_BY_NAME = /\.(jpe?g|png|bmp|gif|webp|tiff?|heic|heif|avif)$/i;

/** Where a photo to test comes from: dropped, pasted, chosen, of an address, of the camera. */
export function PhotoSource({ onPhoto, keep, onKeep, busy }: Props): React.JSX.Element {
  const [url, setUrl] = useState("");
  const [isRefused, setRefused] = useState(false);
  const openPicker = useRef<() => void>(null);
  const take = (files: readonly File[]): void => {
    const photo = files.find(isPhoto);
    setRefused(photo === undefined && files.length > 0);
    if (photo) onPhoto(photo);
  };
  usePaste(take, busy);
  return (
    <Stack gap="sm">
      <Dropzone
        onDrop={take}
        openRef={openPicker}
        multiple={false}
        disabled={busy}
        aria-label={texts.quickTest.drop}
        inputProps={{ "aria-label": texts.quickTest.choose }}
      >
        <Stack align="center" gap={4} py="md" style={{ pointerEvents: "none" }}>
          <IconPhotoUp size={36} stroke={1.3} aria-hidden />
          <Dropzone.Accept>
            <Text size="sm">{texts.quickTest.dropNow}</Text>
          </Dropzone.Accept>
          <Dropzone.Idle>
            <Text size="sm" ta="center">
              {texts.quickTest.drop}
            </Text>
          </Dropzone.Idle>
        </Stack>
      </Dropzone>
      {isRefused && (
        <Alert color="red" role="alert">
          {texts.quickTest.notImage}
        </Alert>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (url.trim() && !busy) onPhoto(url.trim());
        }}
      >
        <Group gap="xs" align="end" wrap="nowrap">
          <TextInput
            label={texts.quickTest.url}
            placeholder={texts.quickTest.urlHint}
            value={url}
            onChange={(event) => setUrl(event.currentTarget.value)}
            inputMode="url"
            style={{ flex: 1 }}
          />
          <Button type="submit" variant="default" disabled={busy || !url.trim()}>
            {texts.quickTest.testUrl}
          </Button>
        </Group>
      </form>
      <Camera onPhoto={onPhoto} disabled={busy} />
      <Checkbox
        label={texts.quickTest.keep}
        checked={keep}
        onChange={(event) => onKeep(event.currentTarget.checked)}
      />
    </Stack>
  );
}

function usePaste(take: (files: readonly File[]) => void, busy: boolean): void {
  const latest = useRef(take);
  useEffect(() => {
    latest.current = take;
  });
  useEffect(() => {
    if (busy) return;
    const paste = (event: ClipboardEvent): void => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length === 0) return; // text goes where the cursor is
      event.preventDefault();
      latest.current(files);
    };
    document.addEventListener("paste", paste);
    return () => document.removeEventListener("paste", paste);
  }, [busy]);
}

function isPhoto(file: File): boolean {
  return file.type.startsWith("image/") || SAID_BY_NAME.test(file.name);
}
