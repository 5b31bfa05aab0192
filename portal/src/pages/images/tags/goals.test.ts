import { expect, test } from "vitest";

import { goalsOf, progressOf } from "./goals";

test("a tag has a next goal until it has enough photos", () => {
  const goals = goalsOf(5);
  expect(progressOf(0, goals)).toMatchObject({ goal: 5, missing: 5, level: "none", share: 0 });
  expect(progressOf(5, goals)).toMatchObject({ goal: 15, missing: 10, level: "least" });
  expect(progressOf(49, goals)).toMatchObject({ goal: 50, missing: 1, level: "fair" });
  expect(progressOf(80, goals)).toMatchObject({ goal: null, missing: 0, level: "good", share: 1 });
  expect(progressOf(14, goalsOf(15))).toMatchObject({ goal: 15, missing: 1 });
});
