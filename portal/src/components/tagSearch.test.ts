import { expect, test } from "vitest";

import { isNewName, tagsWith } from "./tagSearch";

const tags = ["Urban", "Turban", "Banana", "Ban"].map((name) => ({ name }));
const names = (text: string): string[] => tagsWith(tags, text).map(({ name }) => name);

test("the tag of that name comes first, then those that begin with it", () => {
  expect(names("ban")).toEqual(["Ban", "Banana", "Urban", "Turban"]);
  expect(names("bana")).toEqual(["Banana"]);
  expect(names("")).toEqual(["Urban", "Turban", "Banana", "Ban"]);
  expect(names("rose")).toEqual([]);
});

test("a name that no tag has can be made", () => {
  expect(isNewName(tags, "bana")).toBe(true);
  expect(isNewName(tags, "BANANA")).toBe(false);
  expect(isNewName(tags, "")).toBe(false);
});
