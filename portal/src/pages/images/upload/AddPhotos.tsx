import { ActionIcon, Button, Group, Menu, Portal, Text } from "@mantine/core";
import { IconChevronDown, IconFile, IconFolder, IconPhotoPlus } from "@tabler/icons-react";
import { useCallback, useRef, useState } from "react";

import type { Schemas } from "@/api/client";
import { announceError } from "@/components/announce";
import { texts } from "@/texts";

import { pickedFiles, sortOut } from "./dropped";
import { type Found, joined } from "./entries";
import type { UploadQueue } from "./queue";
import styles from "./Upload.module.css";
import { UploadDialog } from "./UploadDialog";
import { useArrivals } from "./useArrivals";

const ACCEPTED = "image/*,.heic,.heif,.avif,.tif,.tiff,.zip";
const MB = 1024 * 1024;

interface Props {
  project: string;
  queue: UploadQueue;
  limits: Schemas["Info"]["limits"];
  tags: readonly Schemas["Tag"][];
  taggable: boolean;
  single: boolean;
}

/** The buttons that add photos; files may be dropped or pasted anywhere too. */
export function AddPhotos({ project, queue, limits, tags, taggable, single }: Props): React.JSX.Element {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const [found, setFound] = useState<Found | null>(null);
  const [isLooking, setLooking] = useState(false);
  const take = useCallback((located: ReturnType<typeof pickedFiles>) => {
    if (located.length === 0) return;
    setLooking(true);
    sortOut(located)
      .then((more) => setFound((before) => (before ? joined(before, more) : more)), announceError)
      .finally(() => setLooking(false));
  }, []);
  const isOver = useArrivals(take);
  const picked = (event: React.ChangeEvent<HTMLInputElement>): void => {
    take(pickedFiles(event.currentTarget.files ?? []));
    event.currentTarget.value = "";
  };
  return (
    <>
      <Group gap={2} wrap="nowrap">
        <Button
          loading={isLooking}
          leftSection={<IconPhotoPlus size={18} aria-hidden />}
          onClick={() => files.current?.click()}
        >
          {texts.upload.add}
        </Button>
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon size={36} aria-label={texts.upload.more}>
              <IconChevronDown size={18} aria-hidden />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<IconFile size={16} aria-hidden />} onClick={() => files.current?.click()}>
              {texts.upload.addFiles}
            </Menu.Item>
            <Menu.Item leftSection={<IconFolder size={16} aria-hidden />} onClick={() => folder.current?.click()}>
              {texts.upload.addFolder}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </Group>
      <input
        ref={files}
        type="file"
        multiple
        hidden
        accept={ACCEPTED}
        data-testid="files"
        aria-label={texts.upload.addFiles}
        onChange={picked}
      />
      <input
        ref={folder}
        type="file"
        hidden
        webkitdirectory=""
        data-testid="folder"
        aria-label={texts.upload.addFolder}
        onChange={picked}
      />
      {isOver && (
        <Portal>
          <div className={styles["over"]}>
            <Text size="xl" fw={600}>
              {texts.upload.drop}
            </Text>
          </div>
        </Portal>
      )}
      {found && (
        <UploadDialog
          project={project}
          found={found}
          tags={tags}
          taggable={taggable}
          single={single}
          most={(limits["maxImageMb"] ?? 6) * MB}
          onClose={() => setFound(null)}
          onStart={(photos) => {
            setFound(null);
            queue.add(photos, found.refused);
          }}
        />
      )}
    </>
  );
}
