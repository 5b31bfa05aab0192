import { ActionIcon, Text, Title, UnstyledButton, VisuallyHidden } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { memo, useCallback, useLayoutEffect, useRef } from "react";

import { tagColour } from "@/components/tagColour";
import { texts } from "@/texts";

import styles from "./BoxEditor.module.css";
import type { Box } from "./plan";
import { whereOf } from "./useEditing";

interface Props {
  boxes: readonly Box[];
  selected: string | undefined;
  nameOf: (tagId: string | null) => string;
  mayDraw: boolean;
  onSelect: (id: string) => void;
  onDelete: (id: string) => void;
}

/** The boxes as a list: what a screen reader and the keyboard have instead of the drawing. */
export function BoxList(props: Props): React.JSX.Element {
  const { boxes, selected, nameOf, mayDraw } = props;
  const onSelect = useLasting(props.onSelect);
  const onDelete = useLasting(props.onDelete);
  return (
    <section aria-label={texts.photo.list}>
      <Title order={2} size="h5" mb={4}>
        {boxes.length > 0 ? texts.photo.boxes(boxes.length) : texts.photo.list}
      </Title>
      {boxes.length === 0 && (
        <Text size="sm" c="dimmed">
          {mayDraw ? texts.photo.empty : texts.photo.emptyReadOnly}
        </Text>
      )}
      <ul className={styles["list"]}>
        {boxes.map((box, place) => (
          <Row
            key={box.id}
            box={box}
            number={place + 1}
            tag={nameOf(box.tagId)}
            colour={box.tagId ? tagColour(box.tagId) : undefined}
            isSelected={box.id === selected}
            mayDraw={mayDraw}
            onSelect={onSelect}
            onDelete={onDelete}
          />
        ))}
      </ul>
    </section>
  );
}

interface RowProps {
  box: Box;
  number: number;
  tag: string;
  colour: string | undefined;
  isSelected: boolean;
  mayDraw: boolean;
  onSelect: (id: string) => void;
  onDelete: (id: string) => void;
}

const Row = memo(function Row(props: RowProps): React.JSX.Element {
  const { box, number, tag } = props;
  return (
    <li className={styles["row"]}>
      <UnstyledButton
        className={styles["box"]}
        aria-pressed={props.isSelected}
        onClick={() => props.onSelect(box.id)}
        onFocus={() => props.onSelect(box.id)}
      >
        <span
          className={styles["swatch"]}
          style={{ background: props.colour }}
          data-dashed={box.tagId === null || undefined}
        />
        <span style={{ minWidth: 0 }}>
          <VisuallyHidden>{texts.photo.box(number)}</VisuallyHidden>
          <Text size="sm" truncate fs={box.tagId === null ? "italic" : undefined}>
            {tag}
          </Text>
          <Text size="xs" c="dimmed" truncate>
            {whereOf(box)}
          </Text>
        </span>
      </UnstyledButton>
      {props.mayDraw && (
        <ActionIcon
          variant="subtle"
          color="gray"
          size={30}
          aria-label={texts.photo.deleteBox(number)}
          onClick={() => props.onDelete(box.id)}
        >
          <IconTrash size={16} aria-hidden />
        </ActionIcon>
      )}
    </li>
  );
});

/** A function that stays the same and does what the newest one does: rows need not be drawn again for it. */
function useLasting(newest: (id: string) => void): (id: string) => void {
  const kept = useRef(newest);
  useLayoutEffect(() => {
    kept.current = newest;
  });
  return useCallback((id: string) => kept.current(id), []);
}
