/** The API's figures at a setting, joined with the evaluation's intervals where these are of the same figures. */
import type { Estimate, PerformanceAt, Setting } from "../useEvaluation";
import { type Figure, figureOf } from "./figure";

/** What the evaluation says of one tag. */
export interface ReportedTag {
  tag: string;
  negative: boolean;
  photos: number;
  /** Drawn boxes; null for a model that does not find boxes. */
  boxes: number | null;
  precision: Estimate;
  recall: Estimate;
  /** By overlap; one with the key null for a model that does not find boxes. */
  averagePrecision: ReadonlyMap<number | null, Estimate>;
  recommended: number | null;
}

/** What the evaluation says, at the setting that it was made at. */
export interface Reported extends Setting {
  confidence: number;
  precision: Estimate;
  recall: Estimate;
  averagePrecision: ReadonlyMap<number | null, Estimate>;
  tags: readonly ReportedTag[];
}

export interface Figures {
  precision: Figure;
  recall: Figure;
  averagePrecision: Figure;
}

export interface TagRow extends Figures {
  tag: string;
  tagId: string;
  negative: boolean;
  photos: number | null;
  boxes: number | null;
  recommended: number | null;
}

const SAME = 1e-6;
const SAME_FIGURE = 2e-3;

export function isAt(one: Setting, other: Setting): boolean {
  return Math.abs(one.threshold - other.threshold) < SAME && Math.abs((one.overlap ?? 0) - (other.overlap ?? 0)) < SAME;
}

export function figuresAt(found: PerformanceAt, reported: Reported | null): Figures {
  return join(found, found, reported, reported);
}

/** A row for each tag, in the API's order. */
export function tagRows(found: PerformanceAt, reported: Reported | null): TagRow[] {
  const known = new Map(reported?.tags.map((one) => [one.tag, one]));
  return found.perTagPerformance.map((one) => {
    const tag = known.get(one.name) ?? null;
    return {
      tag: one.name,
      tagId: one.id,
      negative: tag?.negative ?? false,
      photos: tag?.photos ?? null,
      boxes: tag?.boxes ?? null,
      recommended: tag?.recommended ?? null,
      ...join(one, found, tag, reported),
    };
  });
}

interface Values {
  precision: number;
  precisionStdDeviation: number;
  recall: number;
  recallStdDeviation: number;
  averagePrecision: number;
}

type Estimates = Pick<Reported, "precision" | "recall" | "averagePrecision">;

function join(values: Values, at: Setting, estimates: Estimates | null, reported: Reported | null): Figures {
  const isReported = reported !== null && isAt(at, reported);
  const confidence = reported?.confidence ?? 0;
  const { precision, precisionStdDeviation, recall, recallStdDeviation } = values;
  return {
    precision: (isReported && estimates && figureOf(estimates.precision, confidence)) || {
      value: precision,
      deviation: precisionStdDeviation,
    },
    recall: (isReported && estimates && figureOf(estimates.recall, confidence)) || {
      value: recall,
      deviation: recallStdDeviation,
    },
    averagePrecision: averagePrecisionAt(values.averagePrecision, at.overlap, estimates, confidence),
  };
}

/** It has an interval at any threshold, but only at the overlaps that the evaluation looked at. */
function averagePrecisionAt(value: number, overlap: number | null, estimates: Estimates | null, confidence: number): Figure {
  for (const [at, estimate] of estimates?.averagePrecision ?? []) {
    if (Math.abs((at ?? 0) - (overlap ?? 0)) > SAME) continue;
    if (estimate.value === null || Math.abs(estimate.value - value) < SAME_FIGURE) return figureOf(estimate, confidence);
  }
  return { value };
}
