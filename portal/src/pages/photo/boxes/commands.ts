/** What a key means while boxes are drawn. */
import { undoOf } from "../../images/labelling/undoKeys";
import { type KeysOfTags, tagOfKey } from "../../images/tags/tagKeys";
import type { Point } from "./geometry";

export interface Stroke {
  key: string;
  /** Control, or Command. */
  control: boolean;
  shift: boolean;
  alt: boolean;
}

export type Command =
  | { name: "undo" | "redo" | "delete" | "release" | "new" | "accept" | "help" }
  | { name: "previous" | "next" | "copy" | "propose" | "suggest" | "fit" }
  | { name: "zoom"; closer: boolean }
  | { name: "tag"; tagId: string }
  /** By steps to the right and down; fine: by a pixel. */
  | { name: "move" | "resize"; by: Point; fine: boolean };

const ARROWS: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};
const WITH_SHIFT: Readonly<Record<string, Command>> = {
  n: { name: "new" },
  c: { name: "copy" },
  p: { name: "propose" },
  s: { name: "suggest" },
};
const PLAIN: Readonly<Record<string, Command>> = {
  Delete: { name: "delete" },
  Backspace: { name: "delete" },
  Escape: { name: "release" },
  Enter: { name: "accept" },
  PageUp: { name: "previous" },
  PageDown: { name: "next" },
  "0": { name: "fit" },
  "+": { name: "zoom", closer: true },
  "=": { name: "zoom", closer: true },
  "-": { name: "zoom", closer: false },
  "?": { name: "help" },
};

/** The command of a key; null if it has none. */
export function commandOf(stroke: Stroke, hasSelected: boolean, tagKeys: KeysOfTags): Command | null {
  const { key, control, shift, alt } = stroke;
  const letter = key.toLowerCase();
  if (alt) return null;
  const arrow = ARROWS[key];
  if (arrow && hasSelected) return { name: shift ? "resize" : "move", by: arrow, fine: control };
  if (control) {
    const step = undoOf({ key, ctrlKey: true, shiftKey: shift });
    return step && { name: step };
  }
  if (arrow) return arrow.x === 0 || shift ? null : { name: arrow.x < 0 ? "previous" : "next" };
  if (shift && WITH_SHIFT[letter]) return WITH_SHIFT[letter];
  if (PLAIN[key]) return PLAIN[key];
  const tagId = tagOfKey(tagKeys, key);
  if (tagId) return { name: "tag", tagId };
  return letter === "n" ? { name: "new" } : null;
}
