import { useEffect, useEffectEvent } from "react";

import { undoOf } from "../../images/labelling/undoKeys";
import { type KeysOfTags, tagOfKey } from "../../images/tags/tagKeys";
import { isElsewhere } from "../boxes/useEditorKeys";

interface Actions {
  mayTag: boolean;
  onTag: (tagId: string) => void;
  onClear: () => void;
  onUndo: (again: boolean) => void;
  onPrevious: () => void;
  onNext: () => void;
  onBack: () => void;
  onDelete: () => void;
  onHelp: () => void;
}

/** Hear the keys that tag a photo and lead to others, wherever the focus is but in fields and dialogs. */
export function useTagViewKeys(tagKeys: KeysOfTags, actions: Actions): void {
  const press = useEffectEvent((event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.altKey || isElsewhere(event.target)) return;
    const act = actionOf(event, tagKeys, actions);
    if (!act) return;
    event.preventDefault();
    act();
  });
  useEffect(() => {
    const hear = (event: KeyboardEvent): void => press(event);
    window.addEventListener("keydown", hear);
    return () => window.removeEventListener("keydown", hear);
  }, []);
}

function actionOf(event: KeyboardEvent, tagKeys: KeysOfTags, actions: Actions): (() => void) | null {
  const { key } = event;
  const { mayTag } = actions;
  if (event.ctrlKey || event.metaKey) {
    const step = undoOf(event);
    return step && mayTag ? () => actions.onUndo(step === "redo") : null;
  }
  const isOnTab = event.target instanceof HTMLElement && event.target.closest("[role=tab]") !== null;
  if (key.startsWith("Arrow") && isOnTab) return null;
  if (key === "ArrowLeft" || key === "PageUp") return actions.onPrevious;
  if (key === "ArrowRight" || key === "PageDown") return actions.onNext;
  if (key === "Escape") return actions.onBack;
  if (key === "?") return actions.onHelp;
  if (!mayTag) return null;
  if (key === "Delete" || key === "Backspace") return actions.onDelete;
  if (key.toLowerCase() === "u") return actions.onClear;
  const tagId = tagOfKey(tagKeys, key);
  return tagId ? () => actions.onTag(tagId) : null;
}
