import { Button, Group, Select, Stack, Text } from "@mantine/core";
import { modals } from "@mantine/modals";
import { useState } from "react";

import type { Schemas } from "@/api/client";
import { announce } from "@/components/announce";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError, isSent } from "@/components/submits";
import { texts } from "@/texts";

import { useTagChanges } from "./useTagChanges";

interface Props {
  project: string;
  tag: Schemas["Tag"];
  others: readonly Schemas["Tag"][];
  /** The tag is no more. */
  onMerged: () => void;
}

function MergeForm({ project, tag, others, onMerged }: Props): React.JSX.Element {
  const [into, setInto] = useState<string | null>(null);
  const { merge } = useTagChanges(project);
  const start = (event: React.FormEvent): void => {
    event.preventDefault();
    if (!into || isSent(merge)) return;
    merge.mutate(
      { id: tag.id, into },
      {
        onSuccess: (remaining) => {
          modals.closeAll();
          announce(texts.images.merged(tag.name, remaining.name));
          onMerged();
        },
      },
    );
  };
  return (
    <form onSubmit={start}>
      <Stack gap="sm">
        <Text size="sm">{texts.images.mergeText(tag.name, tag.imageCount)}</Text>
        <Select
          label={texts.images.mergeInto}
          value={into}
          onChange={(id) => {
            setInto(id);
            forgetError(merge);
          }}
          data={others.map(({ id, name }) => ({ value: id, label: name }))}
          searchable
          data-autofocus
        />
        {merge.error && <ErrorNote error={merge.error} />}
        <Group justify="end">
          <Button variant="default" onClick={() => modals.closeAll()}>
            {texts.common.cancel}
          </Button>
          <Button type="submit" color="red" loading={merge.isPending} disabled={into === null}>
            {texts.images.mergeButton}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

export function openMergeForm(props: Props): void {
  modals.open({
    title: texts.images.mergeTitle(props.tag.name),
    children: <MergeForm {...props} />,
    closeButtonProps: { "aria-label": texts.common.close },
  });
}
