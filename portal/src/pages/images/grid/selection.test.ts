import { expect, test } from "vitest";

import { ALL, NOTHING, flipped, holds, joined, sizeOf } from "./selection";

test("photos are chosen by their ids, or all but some", () => {
  const two = joined(NOTHING, ["a", "b"]);
  expect([holds(two, "a"), holds(two, "c"), sizeOf(two, 10)]).toEqual([true, false, 2]);
  expect(sizeOf(flipped(two, "a"), 10)).toBe(1);
  const most = flipped(ALL, "a");
  expect([holds(most, "a"), holds(most, "b"), sizeOf(most, 10)]).toEqual([false, true, 9]);
  expect(sizeOf(joined(most, ["a"]), 10)).toBe(10);
});
