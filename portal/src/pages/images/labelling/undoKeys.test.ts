import { expect, test } from "vitest";

import { undoOf } from "./undoKeys";

const stroke = (key: string, ...held: ("ctrlKey" | "metaKey" | "shiftKey" | "altKey")[]) => ({
  key,
  ctrlKey: held.includes("ctrlKey"),
  metaKey: held.includes("metaKey"),
  shiftKey: held.includes("shiftKey"),
  altKey: held.includes("altKey"),
});

test("Ctrl+Z undoes; Ctrl+Shift+Z and Ctrl+Y do it again", () => {
  expect(undoOf(stroke("z", "ctrlKey"))).toBe("undo");
  expect(undoOf(stroke("z", "metaKey"))).toBe("undo");
  expect(undoOf(stroke("Z", "ctrlKey", "shiftKey"))).toBe("redo");
  expect(undoOf(stroke("y", "ctrlKey"))).toBe("redo");
});

test("other keys do neither", () => {
  expect(undoOf(stroke("z"))).toBeNull();
  expect(undoOf(stroke("y"))).toBeNull();
  expect(undoOf(stroke("y", "ctrlKey", "altKey"))).toBeNull();
  expect(undoOf(stroke("a", "ctrlKey"))).toBeNull();
});
