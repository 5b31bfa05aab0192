import { expect, test } from "vitest";

import { moved } from "./gridKeys";

const shape = { count: 23, columns: 5, rows: 2 };

test("arrows move by one photo and by one row, and stop at the ends", () => {
  expect(moved("ArrowRight", 4, shape)).toBe(5);
  expect(moved("ArrowLeft", 0, shape)).toBe(0);
  expect(moved("ArrowDown", 3, shape)).toBe(8);
  expect(moved("ArrowDown", 19, shape)).toBe(22);
  expect(moved("ArrowUp", 3, shape)).toBe(3);
  expect(moved("ArrowUp", 8, shape)).toBe(3);
  expect(moved("ArrowRight", 22, shape)).toBe(22);
});

test("pages and edges", () => {
  expect(moved("PageDown", 1, shape)).toBe(11);
  expect(moved("PageUp", 6, shape)).toBe(1);
  expect(moved("Home", 8, shape)).toBe(5);
  expect(moved("End", 8, shape)).toBe(9);
  expect(moved("Home", 8, shape, true)).toBe(0);
  expect(moved("End", 8, shape, true)).toBe(22);
});

test("other keys do not move, and nothing moves in an empty grid", () => {
  expect(moved("x", 1, shape)).toBeNull();
  expect(moved("ArrowRight", 0, { count: 0, columns: 5, rows: 2 })).toBeNull();
});
