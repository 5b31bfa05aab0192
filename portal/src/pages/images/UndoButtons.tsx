import { ActionIcon, Tooltip } from "@mantine/core";
import { IconArrowBackUp, IconArrowForwardUp } from "@tabler/icons-react";

import { texts } from "@/texts";

import type { UndoStack } from "./labelling/undo";

interface Props {
  stack: UndoStack;
  onUndo: (again: boolean) => void;
  size?: number;
}

export function UndoButtons({ stack: { last, next }, onUndo, size = 36 }: Props): React.JSX.Element {
  return (
    <>
      <Tooltip label={last ? texts.images.undoStep(last.label) : texts.images.undo}>
        <ActionIcon
          variant="default"
          size={size}
          aria-label={texts.images.undo}
          disabled={!last}
          onClick={() => onUndo(false)}
        >
          <IconArrowBackUp size={18} aria-hidden />
        </ActionIcon>
      </Tooltip>
      <Tooltip label={next ? texts.images.redoStep(next.label) : texts.images.redo}>
        <ActionIcon
          variant="default"
          size={size}
          aria-label={texts.images.redo}
          disabled={!next}
          onClick={() => onUndo(true)}
        >
          <IconArrowForwardUp size={18} aria-hidden />
        </ActionIcon>
      </Tooltip>
    </>
  );
}
