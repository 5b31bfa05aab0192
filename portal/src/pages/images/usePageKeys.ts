/** Keys that work wherever the focus is: those of the grid reach it from the page too. */
import { useEffect } from "react";

import { openKeysHelp } from "./KeysHelp";
import { undoOf } from "./labelling/undoKeys";

const NAMED = /^(Arrow(Left|Right|Up|Down)|Home|End|Page(Up|Down)|Delete|Backspace|Escape)$/;

export function usePageKeys(onUndo: ((again: boolean) => void) | null): void {
  useEffect(() => {
    const hear = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || isTyping(event.target) || hasDialog()) return;
      const isModified = event.ctrlKey || event.metaKey;
      const step = undoOf(event);
      if (step && onUndo) {
        event.preventDefault();
        onUndo(step === "redo");
      } else if (event.key === "?") {
        openKeysHelp();
      } else if (isOnPage(event.target) && (isModified ? event.key.toLowerCase() === "a" : isOfGrid(event))) {
        pass(event);
      }
    };
    window.addEventListener("keydown", hear);
    return () => window.removeEventListener("keydown", hear);
  }, [onUndo]);
}

/** Whether someone works in the grid: it has the focus. */
export function isGridFocused(): boolean {
  return document.activeElement?.closest("[role=grid]") != null;
}

function pass(event: KeyboardEvent): void {
  const cell = document.querySelector<HTMLElement>("[role=grid] [data-focused]");
  if (!cell) return;
  event.preventDefault();
  cell.focus({ preventScroll: true });
  const { key, code, ctrlKey, metaKey, shiftKey } = event;
  cell.dispatchEvent(
    new KeyboardEvent("keydown", { key, code, ctrlKey, metaKey, shiftKey, bubbles: true, cancelable: true }),
  );
}

function isOfGrid({ key, altKey }: KeyboardEvent): boolean {
  return !altKey && (NAMED.test(key) || /^\S$/.test(key));
}

function isOnPage(target: EventTarget | null): boolean {
  return target === document.body || (target instanceof HTMLElement && target.id === "content");
}

function hasDialog(): boolean {
  return document.querySelector("[role=dialog][aria-modal=true]") !== null;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null;
}
