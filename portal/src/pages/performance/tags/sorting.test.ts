import { expect, test } from "vitest";

import type { TagRow } from "../figures/live";
import { WEAKEST_FIRST, clicked, sorted } from "./sorting";

function row(tag: string, averagePrecision: number | null, photos: number): TagRow {
  const figure = { value: averagePrecision };
  return {
    tag,
    tagId: tag,
    negative: false,
    photos,
    boxes: null,
    recommended: null,
    precision: figure,
    recall: figure,
    averagePrecision: figure,
  };
}

const rows = [row("rose", 0.9, 3), row("daisy", 0.4, 8), row("aster", null, 1), row("lily", 0.4, 9)];
const names = (found: TagRow[]): string[] => found.map(({ tag }) => tag);

test("the weakest tags come first, then what has no figure", () => {
  expect(names(sorted(rows, WEAKEST_FIRST))).toEqual(["daisy", "lily", "rose", "aster"]);
});

test("a click sorts by a column, the next one the other way round", () => {
  const once = clicked(WEAKEST_FIRST, "photos");
  expect(names(sorted(rows, once))).toEqual(["aster", "rose", "daisy", "lily"]);
  expect(names(sorted(rows, clicked(once, "photos")))).toEqual(["lily", "daisy", "rose", "aster"]);
  expect(clicked(clicked(once, "photos"), "photos")).toEqual(once);
});

test("tags are sorted by name in both directions, what has no figure stays last", () => {
  expect(names(sorted(rows, { column: "tag", descending: true }))).toEqual(["rose", "lily", "daisy", "aster"]);
  expect(names(sorted(rows, { column: "precision", descending: true }))).toEqual(["rose", "daisy", "lily", "aster"]);
});
