import { expect, test } from "vitest";

import { type Judged, isMistaken, overlapOf } from "./mistakes";

const box = (left: number) => ({ left, top: 0.1, width: 0.4, height: 0.4 });
const said = (tagId: string, probability: number, left?: number) => ({
  tagId,
  tagName: tagId,
  probability,
  boundingBox: left === undefined ? null : box(left),
});
const photo = (tags: string[], predictions: object[], regions: object[] = []): Judged =>
  ({ id: "1", tags: tags.map((tagId) => ({ tagId })), predictions, regions }) as unknown as Judged;

test("of one tag for each photo the most probable one counts", () => {
  expect(isMistaken(photo(["a"], [said("b", 0.3), said("a", 0.4)]), "multiclass")).toBe(false);
  expect(isMistaken(photo(["a"], [said("b", 0.6), said("a", 0.4)]), "multiclass")).toBe(true);
  expect(isMistaken(photo(["a"], []), "multiclass")).toBe(false);
});

test("of several tags all that are probable count", () => {
  expect(isMistaken(photo(["a", "b"], [said("a", 0.9), said("b", 0.5), said("c", 0.4)]), "multilabel")).toBe(false);
  expect(isMistaken(photo(["a"], [said("a", 0.9), said("c", 0.6)]), "multilabel")).toBe(true);
  expect(isMistaken(photo(["a"], [said("a", 0.2)]), "multilabel")).toBe(true);
});

test("each box is found once, with its tag", () => {
  const there = { tagId: "a", ...box(0.1) };
  expect(isMistaken(photo([], [said("a", 0.9, 0.15)], [there]), "detection")).toBe(false);
  expect(isMistaken(photo([], [said("a", 0.9, 0.1), said("a", 0.8, 0.12)], [there]), "detection")).toBe(true);
  expect(isMistaken(photo([], [said("b", 0.9, 0.1)], [there]), "detection")).toBe(true);
  expect(isMistaken(photo([], [said("a", 0.2, 0.1)], [there]), "detection")).toBe(true);
  expect(overlapOf(box(0), box(0.5))).toBe(0);
});
