/** What the common parts of the page need to know of a classifier's evaluation. */
import type { Reported } from "../figures/live";
import type { Classified } from "../useEvaluation";

export function reportedOf(evaluation: Classified, set = evaluation.heldOut): Reported {
  const recommended = new Map(evaluation.thresholds.map(({ tag, threshold }) => [tag, threshold]));
  const { precision, recall, ap } = set.overall;
  return {
    threshold: evaluation.threshold,
    overlap: null,
    confidence: evaluation.confidence,
    precision,
    recall,
    averagePrecision: new Map([[null, ap]]),
    tags: set.tags.map((one) => ({
      tag: one.tag,
      negative: one.negative,
      photos: one.positives,
      boxes: null,
      precision: one.precision,
      recall: one.recall,
      averagePrecision: new Map([[null, one.ap]]),
      recommended: recommended.get(one.tag) ?? null,
    })),
  };
}
