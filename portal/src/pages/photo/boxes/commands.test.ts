import { expect, test } from "vitest";

import { commandOf } from "./commands";

const tags = { rose: "1", dahlia: "n" };
const stroke = (key: string, ...held: ("control" | "shift" | "alt")[]) => ({
  key,
  control: held.includes("control"),
  shift: held.includes("shift"),
  alt: held.includes("alt"),
});

test("arrows move the selected box, resize it with Shift; without one they lead to other photos", () => {
  expect(commandOf(stroke("ArrowLeft"), true, tags)).toEqual({ name: "move", by: { x: -1, y: 0 }, fine: false });
  expect(commandOf(stroke("ArrowDown", "shift", "control"), true, tags)).toEqual({
    name: "resize",
    by: { x: 0, y: 1 },
    fine: true,
  });
  expect(commandOf(stroke("ArrowRight"), false, tags)).toEqual({ name: "next" });
  expect(commandOf(stroke("ArrowUp"), false, tags)).toBeNull();
  expect(commandOf(stroke("ArrowLeft", "alt"), true, tags)).toBeNull();
});

test("undo and redo", () => {
  expect(commandOf(stroke("z", "control"), false, tags)).toEqual({ name: "undo" });
  expect(commandOf(stroke("Z", "control", "shift"), false, tags)).toEqual({ name: "redo" });
  expect(commandOf(stroke("y", "control"), true, tags)).toEqual({ name: "redo" });
  expect(commandOf(stroke("s", "control"), true, tags)).toBeNull();
});

test("keys of tags come before N, which Shift keeps free", () => {
  expect(commandOf(stroke("1"), false, tags)).toEqual({ name: "tag", tagId: "rose" });
  expect(commandOf(stroke("n"), false, tags)).toEqual({ name: "tag", tagId: "dahlia" });
  expect(commandOf(stroke("N", "shift"), false, tags)).toEqual({ name: "new" });
  expect(commandOf(stroke("n"), false, {})).toEqual({ name: "new" });
  expect(commandOf(stroke("x"), false, tags)).toBeNull();
});
