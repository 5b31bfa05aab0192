import { useEffect, useEffectEvent, useState } from "react";

import type { KeysOfTags } from "../../images/tags/tagKeys";
import { type Command, commandOf } from "./commands";

/** Hear the editor's keys wherever the focus is, but in fields and dialogs. Returns whether the space bar is held. */
export function useEditorKeys(
  tagKeys: KeysOfTags,
  hasSelected: boolean,
  element: React.RefObject<HTMLElement | null>,
  obey: (command: Command) => void,
): boolean {
  const [pans, setPans] = useState(false);
  const press = useEffectEvent((event: KeyboardEvent): void => {
    if (event.defaultPrevented || isElsewhere(event.target)) return;
    const isOnButton = event.target instanceof HTMLElement && event.target.closest("button, a, [role=tab]") !== null;
    if (event.key === " ") {
      if (isOnButton) return;
      event.preventDefault();
      setPans(true);
      return;
    }
    if (event.key === "Enter" && isOnButton) return;
    const { key, shiftKey: shift, altKey: alt } = event;
    const command = commandOf({ key, shift, alt, control: event.ctrlKey || event.metaKey }, hasSelected, tagKeys);
    if (!command) return;
    // The tabs of the project are walked by arrows, too.
    if (key.startsWith("Arrow") && event.target instanceof HTMLElement && event.target.closest("[role=tab]")) return;
    event.preventDefault();
    if (command.name === "delete" && hasSelected && isOnButton) element.current?.focus({ preventScroll: true });
    obey(command);
  });
  useEffect(() => {
    const down = (event: KeyboardEvent): void => press(event);
    const up = (event: KeyboardEvent): void => {
      if (event.key === " ") setPans(false);
    };
    const leave = (): void => setPans(false);
    window.addEventListener("keydown", down);
    window.addEventListener("keyup", up);
    window.addEventListener("blur", leave);
    return () => {
      window.removeEventListener("keydown", down);
      window.removeEventListener("keyup", up);
      window.removeEventListener("blur", leave);
    };
  }, []);
  return pans;
}

/** Whether keys are meant for a field or a dialog. */
export function isElsewhere(target: EventTarget | null): boolean {
  if (document.querySelector("[role=dialog][aria-modal=true]")) return true;
  const fields = "input, textarea, select, [contenteditable], [role=menu], [role=listbox]";
  return target instanceof HTMLElement && target.closest(fields) !== null;
}
