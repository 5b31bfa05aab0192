import { Button, Group, Stack } from "@mantine/core";
import { useState } from "react";

import type { Schemas } from "@/api/client";
import { announce } from "@/components/announce";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError } from "@/components/submits";
import { TagPicker } from "@/components/TagPicker";
import { texts } from "@/texts";

import { useRetag } from "./useFixes";

interface Props {
  project: string;
  image: Schemas["Image"];
  /** Tags that are likely right, to be given by a click; null where there are none. */
  suggested: readonly { id: string; name: string }[] | null;
  isMultilabel: boolean;
  onDone?: () => void;
  /** The photo's tags are right. */
  onKeep?: () => void;
}

/** Gives a photo other tags, on the spot. */
export function Retag({ project, image, suggested, isMultilabel, onDone, onKeep }: Props): React.JSX.Element {
  const said = texts.performance;
  const retag = useRetag(project, () => {
    announce(said.retagged);
    onDone?.();
  });
  const [chosen, setChosen] = useState<string[] | null>(null);
  const give = (wanted: readonly string[]): void => retag.mutate({ image, wanted });
  if (chosen) {
    return (
      <Stack gap={6}>
        <TagPicker
          projectId={project}
          value={chosen}
          onChange={(ids) => {
            setChosen(ids);
            forgetError(retag);
          }}
          multiple={isMultilabel}
          label={isMultilabel ? said.rightTags : said.rightTag}
          autoFocus
        />
        {retag.error && <ErrorNote error={retag.error} />}
        <Group gap={6}>
          <Button size="compact-sm" onClick={() => give(chosen)} loading={retag.isPending} disabled={chosen.length === 0}>
            {said.saveTags}
          </Button>
          <Button size="compact-sm" px={6} variant="subtle" onClick={() => setChosen(null)}>
            {texts.common.cancel}
          </Button>
        </Group>
      </Stack>
    );
  }
  const names = suggested?.map(({ name }) => name) ?? [];
  return (
    <Stack gap={4} align="start">
      {retag.error && <ErrorNote error={retag.error} />}
      {suggested && (
        <Button
          size="compact-sm"
          px={6}
          variant="light"
          onClick={() => give(suggested.map(({ id }) => id))}
          loading={retag.isPending}
          maw="100%"
        >
          {names.length > 0 ? said.give(names) : said.giveNone}
        </Button>
      )}
      <Group gap={4}>
        <Button
          size="compact-sm"
          px={6}
          variant="subtle"
          onClick={() => setChosen(isMultilabel ? (image.tags ?? []).map(({ tagId }) => tagId) : [])}
        >
          {said.otherTag}
        </Button>
        {onKeep && (
          <Button size="compact-sm" px={6} variant="subtle" onClick={onKeep}>
            {said.keep}
          </Button>
        )}
      </Group>
    </Stack>
  );
}
