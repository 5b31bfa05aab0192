import { expect, test } from "vitest";

import type { Estimate, PerformanceAt } from "../useEvaluation";
import { bandOf } from "./figure";
import { type Reported, figuresAt, tagRows } from "./live";

function estimate(value: number | null, low: number | null = value, high: number | null = value): Estimate {
  return { value, low, high, images: 40 };
}

const reported: Reported = {
  threshold: 0.5,
  overlap: 0.3,
  confidence: 0.95,
  precision: estimate(0.9, 0.8, 0.95),
  recall: estimate(0.7, 0.6, 0.8),
  averagePrecision: new Map([[0.3, estimate(0.85, 0.8, 0.9)], [0.5, estimate(0.6, 0.5, 0.7)]]),
  tags: [
    {
      tag: "rose",
      negative: false,
      photos: 12,
      boxes: 20,
      precision: estimate(null),
      recall: estimate(0, 0, 0.2),
      averagePrecision: new Map([[0.3, estimate(0.4, 0.2, 0.6)]]),
      recommended: 0.35,
    },
  ],
};

function performance(threshold: number, overlap: number | null, averagePrecision: number): PerformanceAt {
  const values = {
    precision: 0.9,
    precisionStdDeviation: 0.05,
    recall: 0.7,
    recallStdDeviation: 0.4,
    averagePrecision,
  };
  return { ...values, threshold, overlap, perTagPerformance: [{ id: "1", name: "rose", ...values, averagePrecision: 0.4 }] };
}

test("at the report's setting the figures have the report's intervals", () => {
  const found = figuresAt(performance(0.5, 0.3, 0.85), reported);
  expect(found.precision.interval).toEqual({ low: 0.8, high: 0.95, confidence: 0.95 });
  expect(found.averagePrecision.interval).toEqual({ low: 0.8, high: 0.9, confidence: 0.95 });
});

test("elsewhere precision and recall have their deviation, and average precision keeps its interval", () => {
  const found = figuresAt(performance(0.7, 0.3, 0.85), reported);
  expect(found.precision).toEqual({ value: 0.9, deviation: 0.05 });
  expect(found.averagePrecision.interval).toBeDefined();
  expect(bandOf(found.recall)).toEqual([expect.closeTo(0.3), 1]);
});

test("average precision has the interval of its overlap, and none at an overlap that was not judged", () => {
  expect(figuresAt(performance(0.5, 0.5, 0.6), reported).averagePrecision.interval?.low).toBe(0.5);
  expect(figuresAt(performance(0.5, 0.4, 0.7), reported).averagePrecision).toEqual({ value: 0.7 });
});

test("a tag that is never predicted has no precision at the report's setting", () => {
  const [row] = tagRows(performance(0.5, 0.3, 0.85), reported);
  expect(row).toMatchObject({ tag: "rose", photos: 12, boxes: 20, recommended: 0.35, precision: { value: null } });
});

test("without an evaluation there are figures and deviations, and no counts", () => {
  const [row] = tagRows(performance(0.5, null, 0.85), null);
  expect(row).toMatchObject({ photos: null, precision: { value: 0.9, deviation: 0.05 } });
});
