import { expect, test } from "vitest";

import { type Box, type FoundBox, outcomes, overlapOf } from "./boxes";

function box(tagId: string, left: number, top = 0, width = 0.2, height = 0.2): Box {
  return { tagId, left, top, width, height };
}

function found(tagId: string, probability: number, left: number, top = 0): FoundBox {
  return { ...box(tagId, left, top), probability };
}

const named = (drawn: readonly Box[], seen: readonly FoundBox[], threshold = 0.5, overlap = 0.3): string[] =>
  outcomes(drawn, seen, threshold, overlap).map(
    (one) => `${one.drawn?.tagId ?? "-"}>${one.found ? `${one.found.tagId}${one.found.probability}` : "-"}`,
  );

test("overlap is intersection over union", () => {
  expect(overlapOf(box("a", 0), box("a", 0.1))).toBeCloseTo(1 / 3);
  expect(overlapOf(box("a", 0), box("a", 0.5))).toBe(0);
  expect(overlapOf(box("a", 0, 0, 0, 0), box("a", 0, 0, 0, 0))).toBe(0);
});

test("a drawn box is found once, by the surest", () => {
  expect(named([box("a", 0)], [found("a", 0.6, 0), found("a", 0.9, 0.05)])).toEqual(["a>a0.9", "->a0.6"]);
});

test("what is below the threshold does not count, and its drawn box is missed", () => {
  expect(named([box("a", 0)], [found("a", 0.4, 0)])).toEqual(["a>-"]);
  expect(named([box("a", 0)], [found("a", 0.4, 0)], 0.4)).toEqual(["a>a0.4"]);
});

test("a box of another tag on a drawn one is a confusion, unless a box of the tag has found it", () => {
  expect(named([box("a", 0)], [found("b", 0.8, 0)])).toEqual(["a>b0.8"]);
  expect(named([box("a", 0)], [found("b", 0.8, 0), found("a", 0.6, 0)])).toEqual(["a>a0.6", "->b0.8"]);
});

test("a box takes the drawn one that it overlaps most", () => {
  const drawn = [box("a", 0.1), box("a", 0.02)];
  const [one] = outcomes(drawn, [found("a", 0.9, 0)], 0.5, 0.3);
  expect(one?.drawn).toBe(drawn[1]);
});

test("a box that overlaps too little is invented, and the drawn one missed", () => {
  expect(named([box("a", 0)], [found("a", 0.9, 0.1)], 0.5, 0.4)).toEqual(["->a0.9", "a>-"]);
});
