/** What the common parts of the page need to know of a detector's evaluation. */
import type { Reported } from "../figures/live";
import type { Detected } from "../useEvaluation";

export function reportedOf(evaluation: Detected, set = evaluation.heldOut): Reported {
  const recommended = new Map(evaluation.thresholds.map(({ tag, threshold }) => [tag, threshold]));
  const { precision, recall, ap, map30, map50 } = set.overall;
  return {
    threshold: evaluation.threshold,
    overlap: evaluation.overlap,
    confidence: evaluation.confidence,
    precision,
    recall,
    averagePrecision: new Map([[evaluation.overlap, ap], [0.3, map30], [0.5, map50]]),
    tags: set.tags.map((one) => ({
      tag: one.tag,
      negative: false,
      photos: one.images,
      boxes: one.boxes,
      precision: one.precision,
      recall: one.recall,
      averagePrecision: new Map([[evaluation.overlap, one.ap], [0.3, one.ap30], [0.5, one.ap50]]),
      recommended: recommended.get(one.tag) ?? null,
    })),
  };
}
