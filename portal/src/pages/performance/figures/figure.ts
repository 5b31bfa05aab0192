/** A figure from 0 to 1 with what is known about how sure it is. */
import { texts } from "@/texts";

import type { Estimate } from "../useEvaluation";

export interface Figure {
  /** Null where it is not defined. */
  value: number | null;
  /** Its interval, where one is known. */
  interval?: { low: number; high: number; confidence: number } | undefined;
  /** Of the figure between folds, where that is known instead. */
  deviation?: number | undefined;
}

/** From here on it is not shown as 0 %. */
const SHOWN_DEVIATION = 0.005;

export function figureOf(estimate: Estimate, confidence: number): Figure {
  const { value, low, high } = estimate;
  return low === null || high === null ? { value } : { value, interval: { low, high, confidence } };
}

/** The ends of the band that is drawn; null for none. */
export function bandOf({ value, interval, deviation }: Figure): readonly [number, number] | null {
  if (value === null) return null;
  if (interval) return [interval.low, interval.high];
  if (deviation !== undefined && deviation >= SHOWN_DEVIATION) return [Math.max(0, value - deviation), Math.min(1, value + deviation)];
  return null;
}

export function rangeOf({ value, interval, deviation }: Figure): string {
  if (value === null) return "";
  if (interval) return texts.performance.interval(interval.confidence, interval.low, interval.high);
  // Few photos are often judged alike in each fold by chance: that says nothing of how sure the figure is.
  return deviation === undefined || deviation < SHOWN_DEVIATION ? "" : texts.performance.spread(deviation);
}
