import { Alert, Button, Group, Stack } from "@mantine/core";
import { IconCamera, IconX } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";

import { texts } from "@/texts";

import styles from "./QuickTest.module.css";
import { drawn, fitting } from "./scaled";

interface Props {
  onPhoto: (photo: Blob) => void;
  disabled: boolean;
}

/** The camera: asked for by a click only, and stopped when the page is left. */
export function Camera({ onPhoto, disabled }: Props): React.JSX.Element {
  const [stream, setStream] = useState<MediaStream | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const video = useRef<HTMLVideoElement>(null);
  const isGone = useRef(false);
  useEffect(() => {
    if (video.current) video.current.srcObject = stream;
    return () => stop(stream);
  }, [stream]);
  useEffect(() => {
    isGone.current = false;
    return () => {
      isGone.current = true;
    };
  }, []);

  const open = async (): Promise<void> => {
    setFault(null);
    if (!window.isSecureContext) return setFault(texts.quickTest.cameraInsecure);
    try {
      const opened = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: "environment" },
        audio: false,
      });
      if (isGone.current) stop(opened);
      else setStream(opened);
    } catch {
      setFault(texts.quickTest.cameraRefused);
    }
  };
  const shoot = async (): Promise<void> => {
    const seen = video.current;
    if (!seen?.videoWidth) return;
    onPhoto(await drawn(seen, fitting(seen.videoWidth, seen.videoHeight)));
  };
  if (!stream) {
    return (
      <Stack gap="xs">
        <Button
          variant="default"
          leftSection={<IconCamera size={16} aria-hidden />}
          onClick={() => void open()}
          disabled={disabled}
        >
          {texts.quickTest.camera}
        </Button>
        {fault && (
          <Alert color="orange" role="alert">
            {fault}
          </Alert>
        )}
      </Stack>
    );
  }
  return (
    <Stack gap="xs">
      <video
        ref={video}
        className={styles["video"]}
        aria-label={texts.quickTest.cameraView}
        autoPlay
        muted
        playsInline
      />
      <Group gap="xs">
        <Button onClick={() => void shoot()} disabled={disabled}>
          {texts.quickTest.shoot}
        </Button>
        <Button
          variant="default"
          leftSection={<IconX size={16} aria-hidden />}
          onClick={() => setStream(null)}
        >
          {texts.quickTest.stop}
        </Button>
      </Group>
    </Stack>
  );
}

function stop(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
