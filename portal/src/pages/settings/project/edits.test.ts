import { expect, test } from "vitest";

import { type Fields, changes, conflicts, dropped, edited, insisted, kept, shown } from "./edits";

const saved: Fields = { name: "Garden", description: "", domainId: "compact", classificationType: "Multiclass" };
const elsewhere: Fields = { ...saved, name: "Park", description: "In May" };

test("fields that were not touched follow the server", () => {
  const edits = edited({}, saved, "domainId", "food");
  expect(shown(edits, elsewhere)).toEqual({ ...elsewhere, domainId: "food" });
  expect(changes(edits, elsewhere)).toEqual({ domainId: "food" });
  expect(conflicts(edits, elsewhere)).toEqual([]);
});

test("a field that both changed is a conflict until one of them counts", () => {
  const edits = edited(edited({}, saved, "name", "G"), elsewhere, "name", "Greenhouse");
  expect(conflicts(edits, elsewhere)).toEqual(["name"]);
  const mine = insisted(edits, elsewhere, "name");
  expect(conflicts(mine, elsewhere)).toEqual([]);
  expect(changes(mine, elsewhere)).toEqual({ name: "Greenhouse" });
  expect(shown(dropped(edits, "name"), elsewhere).name).toBe("Park");
});

test("both having typed the same is no conflict, and nothing to save", () => {
  const edits = edited({}, saved, "name", "Park");
  expect(conflicts(edits, elsewhere)).toEqual([]);
  expect(changes(edits, elsewhere)).toEqual({});
});

test("what was typed on while it was being saved stays", () => {
  const edits = edited(edited({}, saved, "name", "Park"), saved, "description", "In May, and");
  const left = kept(edits, { name: "Park", description: "In May" });
  expect(changes(left, { ...saved, name: "Park", description: "In May" })).toEqual({ description: "In May, and" });
});
