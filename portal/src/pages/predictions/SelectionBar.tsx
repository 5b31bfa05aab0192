import { Button, Group, Paper, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { announce } from "@/components/announce";
import { confirm } from "@/components/confirm";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError } from "@/components/submits";
import { TagPicker } from "@/components/TagPicker";
import { texts } from "@/texts";

import { type Stored, withBoxes, withTags } from "./additions";
import { useAdd, useDelete } from "./usePredictions";

interface Props {
  project: string;
  isDetection: boolean;
  isMultilabel: boolean;
  selected: readonly Stored[];
  /** From which probability on boxes are taken over. */
  threshold: number;
  onClear: () => void;
  /** Whether the one prediction is all that is shown: then it is not to be counted or unselected. */
  isOpened?: boolean;
  /** The training images that were made. */
  onAdded?: (images: string[]) => void;
}

/** What can be done with the selected predictions: add them to training, delete them. */
export function SelectionBar(props: Props): React.JSX.Element {
  const { project, isDetection, isMultilabel, selected, threshold, onClear, isOpened = false } = props;
  const [tagIds, setTagIds] = useState<string[]>([]);
  const add = useAdd(project, (images) => {
    announce(texts.predictions.added(images.length));
    onClear();
    props.onAdded?.(images);
  });
  const remove = useDelete(project, onClear);
  const count = selected.length;
  const addThem = (): void =>
    add.mutate(isDetection ? withBoxes(selected, threshold) : withTags(selected, tagIds));
  const deleteThem = (): void =>
    confirm({
      title: texts.predictions.deleteTitle(count),
      text: texts.predictions.deleteText,
      confirmed: () => remove.mutate(selected.map(({ id }) => id)),
    });
  return (
    <Paper withBorder p="sm" role="region" aria-label={texts.predictions.selection}>
      <Stack gap="xs">
        <Group gap="sm" align="end">
          {!isOpened && (
            <Text size="sm" fw={600} pb={8}>
              {texts.predictions.selected(count)}
            </Text>
          )}
          {!isDetection && (
            <div style={{ flex: 1, minWidth: 200, maxWidth: 420 }}>
              <TagPicker
                projectId={project}
                value={tagIds}
                onChange={(ids) => {
                  setTagIds(ids);
                  forgetError(add);
                }}
                multiple={isMultilabel}
                label={isMultilabel ? texts.quickTest.rights : texts.quickTest.right}
              />
            </div>
          )}
          <Button onClick={addThem} loading={add.isPending} disabled={!isDetection && tagIds.length === 0}>
            {isDetection ? texts.predictions.addBoxes(threshold) : texts.quickTest.add}
          </Button>
          <Button variant="default" color="red" onClick={deleteThem} loading={remove.isPending}>
            {texts.common.delete}
          </Button>
          {!isOpened && (
            <Button variant="subtle" onClick={onClear}>
              {texts.predictions.unselect}
            </Button>
          )}
        </Group>
        {(add.error ?? remove.error) && <ErrorNote error={add.error ?? remove.error} />}
      </Stack>
    </Paper>
  );
}
