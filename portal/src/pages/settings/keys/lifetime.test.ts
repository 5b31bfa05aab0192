import { expect, test } from "vitest";

import { daysOf, lifetimesOf } from "./lifetime";

const now = Date.parse("2026-03-01T00:00:00Z");

test("a key without end makes keys of any lifetime", () => {
  expect(lifetimesOf(null, now)).toEqual(["forever", "year", "quarter", "month", "day"]);
  expect(daysOf("forever", null, now)).toBeNull();
  expect(daysOf("month", null, now)).toBe(30);
});

test("a key that ends makes none that lives longer", () => {
  const end = "2026-03-03T00:00:00Z";
  expect(lifetimesOf(end, now)).toEqual(["own", "day"]);
  const days = daysOf("own", end, now) ?? 0;
  expect(days).toBeLessThan(2);
  expect(days).toBeGreaterThan(1.99);
});

test("a key that is about to end still gives the least that the API takes", () => {
  expect(daysOf("own", "2026-03-01T00:00:10Z", now)).toBeCloseTo(1 / 1440);
});
