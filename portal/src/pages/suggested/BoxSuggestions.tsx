import { ActionIcon, Button, Group, Stack } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import { useState } from "react";

import type { Schemas } from "@/api/client";
import { announce } from "@/components/announce";
import { confirm } from "@/components/confirm";
import { ErrorNote } from "@/components/ErrorNote";
import { PhotoWithBoxes } from "@/components/PhotoWithBoxes";
import { texts } from "@/texts";

import { BoxDialog } from "./BoxDialog";
import styles from "./Suggested.module.css";
import { type FoundBox, type Suggestion, boxesFrom, regionsOf } from "./suggestions";
import { useAcceptBoxes } from "./useAccepting";

interface Props {
  project: string;
  limits: Schemas["Info"]["limits"];
  suggestions: readonly Suggestion[];
  threshold: number;
  mayWrite: boolean;
  onReject: (ids: readonly string[]) => void;
}

/** Suggested boxes: photos with what an iteration found on them. */
export function BoxSuggestions(props: Props): React.JSX.Element {
  const { project, limits, suggestions, threshold, mayWrite } = props;
  const [opened, setOpened] = useState<Suggestion | null>(null);
  const accepting = useAcceptBoxes(project, limits);
  const all = suggestions.flatMap((one) => regionsOf(one.id, boxesFrom(one, threshold)));
  const accept = (regions: readonly Schemas["ImageRegionEntry"][]): void =>
    accepting.mutate(regions, {
      onSuccess: (count) => {
        setOpened(null);
        announce(texts.suggested.accepted(count));
      },
    });
  const isWaiting = (id: string): boolean =>
    accepting.isPending && accepting.variables.some(({ imageId }) => imageId === id);
  return (
    <Stack gap="md">
      {accepting.error && <ErrorNote error={accepting.error} />}
      {mayWrite && suggestions.length > 1 && (
        <Group>
          <Button
            size="compact-md"
            variant="light"
            loading={accepting.isPending}
            onClick={() =>
              confirm({
                title: texts.suggested.acceptAllTitle(suggestions.length),
                text: texts.suggested.acceptAllText(all.length),
                button: texts.suggested.acceptButton,
                confirmed: () => accept(all),
              })
            }
          >
            {texts.suggested.acceptAll(suggestions.length)}
          </Button>
        </Group>
      )}
      <ul className={`${styles["grid"]} ${styles["large"]}`}>
        {suggestions.map((one) => {
          const boxes = boxesFrom(one, threshold);
          return (
            <li key={one.id} className={styles["card"]}>
              <div className={styles["boxes"]}>
                <PhotoWithBoxes
                  src={one.resizedImageUri}
                  alt={texts.photo.title}
                  boxes={shownBoxes(boxes)}
                  width={one.width}
                  height={one.height}
                />
              </div>
              {mayWrite && (
                <div className={styles["foot"]}>
                  <Button
                    size="compact-sm"
                    variant="light"
                    color="teal"
                    loading={isWaiting(one.id)}
                    onClick={() => accept(regionsOf(one.id, boxes))}
                  >
                    {texts.suggested.accept(boxes.length)}
                  </Button>
                  <Button size="compact-sm" variant="subtle" onClick={() => setOpened(one)}>
                    {texts.suggested.choose}
                  </Button>
                  <ActionIcon
                    size={28}
                    ml="auto"
                    variant="light"
                    color="gray"
                    aria-label={texts.suggested.reject}
                    title={texts.suggested.reject}
                    onClick={() => props.onReject([one.id])}
                  >
                    <IconX size={16} aria-hidden />
                  </ActionIcon>
                </div>
              )}
            </li>
          );
        })}
      </ul>
      {opened && (
        <BoxDialog
          project={project}
          suggestion={opened}
          threshold={threshold}
          isAccepting={accepting.isPending}
          error={accepting.error}
          onAccept={(boxes) => accept(regionsOf(opened.id, boxes))}
          onClose={() => setOpened(null)}
        />
      )}
    </Stack>
  );
}

function shownBoxes(boxes: readonly FoundBox[]) {
  return boxes.map(({ tagId, tagName, probability, boundingBox }) => ({ tagId, tagName, probability, boundingBox }));
}
