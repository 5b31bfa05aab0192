import { expect, test } from "vitest";

import { curvePoints, floorOf, thin } from "./thin";

test("a long curve keeps its ends and its order", () => {
  const points = Array.from({ length: 10_001 }, (_, place) => ({ x: place, y: -place }));
  const kept = thin(points, 101);
  expect(kept).toHaveLength(101);
  expect(kept[0]).toEqual({ x: 0, y: -0 });
  expect(kept[50]?.x).toBe(5000);
  expect(kept.at(-1)?.x).toBe(10_000);
});

test("a short curve stays as it is", () => {
  expect(thin([{ x: 0, y: 1 }])).toEqual([{ x: 0, y: 1 }]);
});

test("of photos that do not change the recall only the first and the last are drawn", () => {
  expect(curvePoints([0.5, 0.5, 0.5, 0.5, 1], [1, 0.9, 0.8, 0.7, 0.8])).toEqual([
    { x: 0.5, y: 1 },
    { x: 0.5, y: 0.7 },
    { x: 1, y: 0.8 },
  ]);
});

test("an axis begins at a tenth below all values", () => {
  expect(floorOf([0.97, 0.93])).toBe(0.8);
  expect(floorOf([0.03])).toBe(0);
  expect(floorOf([1])).toBe(0.9);
});
