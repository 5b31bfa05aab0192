import { Alert, Button, Checkbox, Group, Modal, ScrollArea, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import type { Schemas } from "@/api/client";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError, isSent } from "@/components/submits";
import { TagPicker, useCreateTag } from "@/components/TagPicker";
import { texts } from "@/texts";

import { type Entry, type Found, folderOf, foldersOf } from "./entries";
import { RefusedList } from "./RefusedList";

const FOLDERS_AS_TAGS = 50;
const CLOSE = { "aria-label": texts.common.close };

interface Props {
  project: string;
  found: Found;
  tags: readonly Schemas["Tag"][];
  taggable: boolean;
  single: boolean;
  /** Bytes that a photo may have. */
  most: number;
  onStart: (photos: { entry: Entry; tagIds: string[] }[]) => void;
  onClose: () => void;
}

/** What was found among dropped files, and which tags it gets. */
export function UploadDialog(props: Props): React.JSX.Element {
  const { project, found, taggable, single, most } = props;
  const { entries, refused } = found;
  const folders = foldersOf(entries);
  const [tagIds, setTagIds] = useState<string[]>([]);
  const [named, setNamed] = useState<readonly string[]>(() =>
    taggable && folders.length > 1 && folders.length <= FOLDERS_AS_TAGS ? folders.map(([name]) => name) : [],
  );
  const create = useCreateTag(project);
  const start = useMutation({
    mutationFn: async () => {
      const known = new Map(props.tags.map((tag) => [tag.name.toLowerCase(), tag.id]));
      for (const name of named) {
        if (known.has(name.toLowerCase())) continue;
        known.set(name.toLowerCase(), (await create.mutateAsync({ name })).id);
      }
      return entries.map((entry) => {
        const folder = folderOf(entry);
        const own = folder !== null && named.includes(folder) ? known.get(folder.toLowerCase()) : undefined;
        if (!own) return { entry, tagIds };
        return { entry, tagIds: single ? [own] : [...new Set([...tagIds, own])] };
      });
    },
    onSuccess: props.onStart,
  });
  const large = entries.filter((entry) => entry.size > most).length;
  const bytes = entries.reduce((sum, entry) => sum + entry.size, 0);
  const submit = (event: React.FormEvent): void => {
    event.preventDefault();
    if (!isSent(start)) start.mutate();
  };
  return (
    <Modal opened onClose={props.onClose} title={texts.upload.dialog} closeButtonProps={CLOSE}>
      <form onSubmit={submit} onChange={() => forgetError(start)}>
        <Stack gap="sm">
          <Text>{entries.length > 0 ? texts.upload.ready(entries.length, bytes) : texts.upload.nothing}</Text>
          {entries.length > 0 && taggable && (
            <TagPicker
              projectId={project}
              multiple={!single}
              label={single ? texts.upload.tag : texts.upload.tags}
              description={texts.upload.tagsHint}
              value={tagIds}
              onChange={setTagIds}
            />
          )}
          {taggable && folders.length > 0 && (
            <Checkbox.Group
              label={texts.upload.byFolder}
              value={[...named]}
              onChange={(names) => setNamed(names)}
            >
              <ScrollArea.Autosize mah={180} mt={4}>
                <Stack gap={6}>
                  {folders.map(([name, count]) => (
                    <Checkbox key={name} value={name} label={texts.upload.folder(name, count)} />
                  ))}
                </Stack>
              </ScrollArea.Autosize>
            </Checkbox.Group>
          )}
          {large > 0 && (
            <Alert color="blue" p="xs">
              {texts.upload.willShrink(large, most)}
            </Alert>
          )}
          {refused.length > 0 && (
            <>
              <Text size="sm" fw={600}>
                {texts.upload.leftOut(refused.length)}
              </Text>
              <RefusedList refused={refused} />
            </>
          )}
          {start.error && <ErrorNote error={start.error} />}
          <Group justify="end">
            <Button variant="default" onClick={props.onClose}>
              {entries.length > 0 ? texts.common.cancel : texts.common.close}
            </Button>
            {entries.length > 0 && (
              <Button type="submit" loading={start.isPending} data-autofocus>
                {texts.upload.start(entries.length)}
              </Button>
            )}
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
