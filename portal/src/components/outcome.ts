/** What a model says of a photo, in one sentence: the same wherever its answer is shown. */
import type { Schemas } from "@/api/client";
import { texts } from "@/texts";

type Prediction = Schemas["Prediction"];

/** Of a project: what its models answer. */
export interface Kind {
  isDetection: boolean;
  isMultilabel: boolean;
}

/** From this probability on a tag or a box counts. */
export const SURE = 0.5;

/** @param threshold from which probability on a detector's boxes count. */
export function outcomeOf(predictions: readonly Prediction[], kind: Kind, threshold = SURE): string {
  return kind.isDetection ? outcomeOfBoxes(predictions, threshold) : outcomeOfTags(predictions, kind.isMultilabel);
}

function outcomeOfTags(predictions: readonly Prediction[], isMultilabel: boolean): string {
  const sorted = byProbability(predictions);
  const best = sorted[0];
  if (!best) return texts.quickTest.nothing;
  if (best.tagType === "Negative" && best.probability >= SURE) return texts.quickTest.noneOfThese(best.probability);
  const sure = sorted.filter(({ probability }) => probability >= SURE);
  if (sure.length > 0) {
    const named = isMultilabel ? sure : sure.slice(0, 1);
    return named.map(({ tagName, probability }) => texts.quickTest.tag(tagName, probability)).join("; ");
  }
  const none = noneOfThese(predictions, isMultilabel);
  return none >= SURE ? texts.quickTest.noneOfThese(none) : texts.quickTest.unsure(best.tagName, best.probability);
}

/** The probability that no tag applies, as the server computes it: where one tag is right it is what is missing to 1,
 * where several may be, the product of the complements. */
function noneOfThese(predictions: readonly Prediction[], isMultilabel: boolean): number {
  if (isMultilabel) return predictions.reduce((none, { probability }) => none * (1 - probability), 1);
  return Math.min(1, Math.max(0, predictions.reduce((none, { probability }) => none - probability, 1)));
}

/** How many boxes of each tag are at or above a threshold. */
function outcomeOfBoxes(predictions: readonly Prediction[], threshold: number): string {
  const counts = new Map<string, number>();
  for (const { tagName, probability } of predictions) {
    if (probability >= threshold) counts.set(tagName, (counts.get(tagName) ?? 0) + 1);
  }
  if (counts.size === 0) return texts.quickTest.noBoxes;
  return [...counts].map(([name, count]) => texts.quickTest.found(name, count)).join(", ");
}

export function byProbability(predictions: readonly Prediction[]): Prediction[] {
  return [...predictions].sort((one, other) => other.probability - one.probability);
}
