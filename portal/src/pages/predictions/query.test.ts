import { expect, it } from "vitest";

import { ALL, inParts, isFiltered, queryOf } from "./query";

it("asks for all, the most useful first, by default", () => {
  expect(queryOf(ALL, 50)).toEqual({
    orderBy: "Suggested",
    maxCount: 50,
    iterationId: null,
    startTime: null,
    endTime: null,
    tags: [],
  });
  expect(isFiltered(ALL)).toBe(false);
});

it("sends a tag with its range, and moments in UTC", () => {
  const filters = { ...ALL, tagId: "t", range: [0.2, 0.6] as [number, number], since: "2026-01-02T03:04" };
  const query = queryOf(filters, 50);
  expect(query.tags).toEqual([{ id: "t", minThreshold: 0.2, maxThreshold: 0.6 }]);
  expect(query.startTime).toBe(new Date(2026, 0, 2, 3, 4).toISOString());
  expect(isFiltered(filters)).toBe(true);
  expect(queryOf({ ...ALL, until: "soon" }, 50).endTime).toBeNull();
});

it("splits what is too much for one call", () => {
  expect(inParts([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
  expect(inParts([], 2)).toEqual([]);
});
