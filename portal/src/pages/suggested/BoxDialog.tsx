import { Anchor, Button, Checkbox, Group, Modal, Stack } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";

import { ErrorNote } from "@/components/ErrorNote";
import { PhotoWithBoxes } from "@/components/PhotoWithBoxes";
import { texts } from "@/texts";

import { type FoundBox, type Suggestion, boxesFrom } from "./suggestions";

interface Props {
  project: string;
  suggestion: Suggestion;
  threshold: number;
  isAccepting: boolean;
  error: unknown;
  onAccept: (boxes: readonly FoundBox[]) => void;
  onClose: () => void;
}

/** Below, boxes are not worth a look. */
const LEAST = 0.1;

/** The suggested boxes of one photo, each to be accepted or left; those below the threshold can join. */
export function BoxDialog({ project, suggestion, threshold, ...props }: Props): React.JSX.Element {
  const boxes = boxesFrom(suggestion, Math.min(threshold, LEAST));
  const [left, setLeft] = useState<ReadonlySet<number>>(
    new Set(boxes.flatMap((box, place) => (box.probability < threshold ? [place] : []))),
  );
  const chosen = boxes.filter((_, place) => !left.has(place));
  const flip = (place: number): void => {
    const changed = new Set(left);
    if (!changed.delete(place)) changed.add(place);
    setLeft(changed);
  };
  return (
    <Modal
      opened
      onClose={props.onClose}
      size="xl"
      title={texts.suggested.chooseTitle}
      closeButtonProps={{ "aria-label": texts.common.close }}
    >
      <Stack gap="sm">
        <PhotoWithBoxes
          src={suggestion.resizedImageUri}
          alt={texts.photo.title}
          width={suggestion.width}
          height={suggestion.height}
          isBounded
          boxes={boxes.map(({ tagId, tagName, probability, boundingBox }, place) => ({
            tagId,
            tagName,
            probability,
            boundingBox,
            dashed: left.has(place),
          }))}
        />
        <Stack gap={6}>
          {boxes.map((box, place) => (
            <Checkbox
              key={place}
              label={texts.suggested.tagWithShare(box.tagName, box.probability)}
              checked={!left.has(place)}
              onChange={() => flip(place)}
            />
          ))}
        </Stack>
        {props.error !== null && <ErrorNote error={props.error} />}
        <Group justify="space-between">
          <Anchor component={Link} size="sm" to={`/projects/${project}/images/${suggestion.id}`}>
            {texts.suggested.openEditor}
          </Anchor>
          <Button
            loading={props.isAccepting}
            disabled={chosen.length === 0}
            onClick={() => props.onAccept(chosen)}
          >
            {texts.suggested.accept(chosen.length)}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
