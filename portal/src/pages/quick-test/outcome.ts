/** What a prediction says in one sentence. */
import type { Schemas } from "@/api/client";
import { texts } from "@/texts";

type Prediction = Schemas["Prediction"];
const SURE = 0.5;

/** The sentence of a classifier's answer.
 *
 * @param noneOfThese probability that no tag applies, 0 to 1, where it is known.
 */
export function outcomeOfTags(
  predictions: readonly Prediction[],
  isMultilabel: boolean,
  noneOfThese: number | null = null,
): string {
  const sorted = byProbability(predictions);
  const best = sorted[0];
  if (!best) return texts.quickTest.nothing;
  if (best.tagType === "Negative" && best.probability >= SURE) return texts.quickTest.noneOfThese(best.probability);
  if (noneOfThese !== null && noneOfThese >= SURE) return texts.quickTest.noneOfThese(noneOfThese);
  const sure = sorted.filter(({ probability }) => probability >= SURE);
  if (isMultilabel && sure.length > 0) {
    return sure.map(({ tagName, probability }) => texts.quickTest.tag(tagName, probability)).join("; ");
  }
  if (best.probability >= SURE) return texts.quickTest.tag(best.tagName, best.probability);
  return isMultilabel ? texts.quickTest.noneOfThese(null) : texts.quickTest.unsure(best.tagName, best.probability);
}

/** The sentence of a detector's answer: how many boxes of each tag are at or above a threshold. */
export function outcomeOfBoxes(predictions: readonly Prediction[], threshold: number): string {
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
