import { expect, test } from "vitest";

import { Leavers, PAGE, pagesOf } from "./pages";

test("places need pages", () => {
  expect(pagesOf(0, 10, 5)).toEqual([0]);
  expect(pagesOf(PAGE - 1, PAGE, 10_000)).toEqual([0, 1]);
  expect(pagesOf(-50, 3, 10_000)).toEqual([0]);
  expect(pagesOf(0, 10, 0)).toEqual([]);
});

test("photos that left are counted where they were", () => {
  const left = new Leavers();
  left.set("a", 3, true);
  left.set("b", PAGE + 1, true);
  expect([left.before(3), left.before(4), left.before(9999), left.isOn(1), left.isOn(2)]).toEqual([0, 1, 2, true, false]);
  left.comeBefore(10);
  const none = new Set<string>();
  expect([left.skipOf(0, none), left.skipOf(PAGE, none)]).toEqual([10, PAGE + 9]);
  expect([left.skipOf(PAGE, new Set(["a"])), left.known(new Set(["a"]))]).toEqual([PAGE + 10, 1]);
  left.set("a", 3, false);
  expect(left.size).toBe(1);
});
