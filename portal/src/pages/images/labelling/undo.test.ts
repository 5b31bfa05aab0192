import { expect, test } from "vitest";

import { type Tagged, inverse, putOn, takeAllOff, toggle } from "./changes";
import { UndoStack } from "./undo";

const photo = (id: string, ...tags: string[]): Tagged => ({ id, tags: new Set(tags) });
const many = { single: false, negative: "none" };

test("a tag is put on, or taken off if all photos have it", () => {
  expect(toggle([photo("1"), photo("2", "a")], "a", many)).toEqual([{ imageId: "1", tagId: "a", add: true }]);
  expect(toggle([photo("2", "a")], "a", many)).toEqual([{ imageId: "2", tagId: "a", add: false }]);
});

test("the negative tag stands alone, and a project of single tags replaces", () => {
  expect(putOn([photo("1", "a", "b")], "none", many).map(({ tagId, add }) => [tagId, add])).toEqual([
    ["a", false],
    ["b", false],
    ["none", true],
  ]);
  expect(putOn([photo("1", "none")], "a", many)[0]).toEqual({ imageId: "1", tagId: "none", add: false });
  expect(putOn([photo("1", "a")], "b", { single: true, negative: null })).toEqual([
    { imageId: "1", tagId: "a", add: false },
    { imageId: "1", tagId: "b", add: true },
  ]);
});

test("steps are undone and done again, the newest first", () => {
  const stack = new UndoStack();
  const first = putOn([photo("1")], "a", many);
  const second = takeAllOff([photo("1", "a", "b")]);
  stack.did({ label: "first", changes: first });
  stack.did({ label: "nothing", changes: [] });
  stack.did({ label: "second", changes: second });
  expect(stack.last?.label).toBe("second");
  expect(stack.undo()).toEqual(inverse(second));
  expect(stack.undo()).toEqual([{ imageId: "1", tagId: "a", add: false }]);
  expect(stack.undo()).toEqual([]);
  expect(stack.redo()).toEqual(first);
  stack.did({ label: "other", changes: first });
  expect(stack.next).toBeUndefined();
});

test("what is no more is not brought back", () => {
  const stack = new UndoStack();
  stack.did({ label: "both", changes: putOn([photo("1"), photo("2")], "a", many) });
  stack.forget((change) => change.imageId === "1");
  expect(stack.undo()).toEqual([{ imageId: "2", tagId: "a", add: false }]);
  stack.forget(() => true);
  expect(stack.redo()).toEqual([]);
});
