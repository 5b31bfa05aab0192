import { expect, test } from "vitest";

import { rangeOf } from "./figure";
import { noteOf } from "./note";

const reported = { threshold: 0.5, overlap: null, confidence: 0.95 };
const interval = { low: 0.9, high: 0.99, confidence: 0.95 };

test("at the report's setting bands are intervals", () => {
  const shown = { precision: { value: 0.97, interval }, recall: { value: 0.97, interval } };
  expect(noteOf(shown, reported)).toContain("A band is the 95 % interval");
});

test("elsewhere bands are the spread between folds, and the note does not speak of intervals that are not shown", () => {
  const shown = { precision: { value: 1, deviation: 0 }, recall: { value: 0.9, deviation: 0.06 } };
  expect(noteOf(shown, reported)).toContain("differs between folds");
  expect(noteOf(shown, reported)).not.toContain("A band is the 95 % interval");
  expect(noteOf(shown, { ...reported, overlap: 0.3 })).toContain("at a threshold of 50 % and an overlap of 30 %");
});

test("a spread of 0 is not shown as if the figure were certain", () => {
  expect(rangeOf({ value: 1, deviation: 0.001 })).toBe("");
  expect(rangeOf({ value: 0.9, deviation: 0.06 })).toBe("± 6 % between folds");
});
