import { ActionIcon, Text, Title, UnstyledButton, VisuallyHidden } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";

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
          <li key={box.id} className={styles["row"]}>
            <UnstyledButton
              className={styles["box"]}
              aria-pressed={box.id === selected}
              onClick={() => props.onSelect(box.id)}
              onFocus={() => props.onSelect(box.id)}
            >
              <span
                className={styles["swatch"]}
                style={{ background: box.tagId ? tagColour(box.tagId) : undefined }}
                data-dashed={box.tagId === null || undefined}
              />
              <span style={{ minWidth: 0 }}>
                <VisuallyHidden>{texts.photo.box(place + 1)}</VisuallyHidden>
                <Text size="sm" truncate fs={box.tagId === null ? "italic" : undefined}>
                  {nameOf(box.tagId)}
                </Text>
                <Text size="xs" c="dimmed" truncate>
                  {whereOf(box)}
                </Text>
              </span>
            </UnstyledButton>
            {mayDraw && (
              <ActionIcon
                variant="subtle"
                color="gray"
                size={30}
                aria-label={texts.photo.deleteBox(place + 1)}
                onClick={() => props.onDelete(box.id)}
              >
                <IconTrash size={16} aria-hidden />
              </ActionIcon>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
