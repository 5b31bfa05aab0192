import { Button, Group, Select, Stack, TextInput, Textarea } from "@mantine/core";
import { modals } from "@mantine/modals";
import { useState } from "react";

import type { Schemas } from "@/api/client";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError, isSent } from "@/components/submits";
import { texts } from "@/texts";

import { TAG_KEYS } from "./tagKeys";
import { useTagChanges } from "./useTagChanges";

interface Props {
  project: string;
  tag: Schemas["Tag"];
  /** Its key on the keyboard; undefined where keys put no tags. */
  tagKey: string | undefined;
  onKey: ((key: string) => void) | undefined;
}

function TagForm({ project, tag, tagKey, onKey }: Props): React.JSX.Element {
  const [name, setName] = useState(tag.name);
  const [description, setDescription] = useState(tag.description);
  const [key, setKey] = useState(tagKey ?? null);
  const { change } = useTagChanges(project);
  const save = (event: React.FormEvent): void => {
    event.preventDefault();
    if (isSent(change)) return;
    if (key && key !== tagKey) onKey?.(key);
    change.mutate({ id: tag.id, name: name.trim(), description }, { onSuccess: () => modals.closeAll() });
  };
  return (
    <form onSubmit={save} onChange={() => forgetError(change)}>
      <Stack gap="sm">
        <TextInput
          label={texts.images.name}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          required
          data-autofocus
        />
        <Textarea
          label={texts.images.description}
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
          autosize
          minRows={2}
        />
        {onKey && (
          <Select
            label={texts.images.key}
            description={texts.images.keyHint}
            value={key}
            onChange={setKey}
            data={TAG_KEYS.map((one) => ({ value: one, label: one.toUpperCase() }))}
            searchable
          />
        )}
        {change.error && <ErrorNote error={change.error} />}
        <Group justify="end">
          <Button variant="default" onClick={() => modals.closeAll()}>
            {texts.common.cancel}
          </Button>
          <Button type="submit" loading={change.isPending} disabled={name.trim() === ""}>
            {texts.common.save}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

export function openTagForm(props: Props): void {
  modals.open({
    title: texts.images.editTitle(props.tag.name),
    children: <TagForm {...props} />,
    closeButtonProps: { "aria-label": texts.common.close },
  });
}
