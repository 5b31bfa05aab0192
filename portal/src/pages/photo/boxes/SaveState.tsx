import { Button, Group, Text } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconCloudUpload } from "@tabler/icons-react";

import { texts } from "@/texts";

import type { Box } from "./plan";
import type { BoxStore } from "./store";
import { openBoxes } from "./stores";

interface Props {
  store: BoxStore;
  boxes: readonly Box[];
}

/** Whether the server has what is drawn; if not, why, and what happens. */
export function SaveState({ store, boxes }: Props): React.JSX.Element {
  const untagged = boxes.filter((box) => box.tagId === null).length;
  const { state } = store;
  const isFine = state === "saved" && untagged === 0;
  const Icon = isFine ? IconCheck : state === "saving" ? IconCloudUpload : IconAlertTriangle;
  return (
    <div role="status" aria-live="polite" data-state={state}>
      <Group gap={6} wrap="nowrap" align="start">
        <Icon size={18} aria-hidden style={{ flex: "none", marginTop: 1 }} />
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          {isFine && texts.photo.saved}
          {state === "saving" && texts.photo.saving}
          {state === "lost" && texts.photo.lost(openBoxes())}
          {state === "refused" && texts.photo.refused(store.open, store.problem?.message ?? "")}
          {state === "saved" && untagged > 0 && texts.photo.needTag(untagged)}
        </Text>
        {state === "refused" && (
          <Button size="compact-xs" variant="light" color="red" flex="none" onClick={() => void store.retry()}>
            {texts.errors.retry}
          </Button>
        )}
      </Group>
    </div>
  );
}
