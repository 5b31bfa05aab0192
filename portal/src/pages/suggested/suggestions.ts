/** What is made of an iteration's suggestions for untagged photos. */
import type { Schemas } from "@/api/client";

export type Suggestion = Schemas["StoredSuggestedTagAndRegion"] & {
  /** When it was asked for, by the clock of the labels. */
  asked: number;
};
export type Prediction = Schemas["Prediction"];

export interface Group {
  /** Null for photos of which no tag is likely. */
  tag: { id: string; name: string } | null;
  suggestions: Suggestion[];
}

/** From here on a classifier means that a photo has a tag. */
const MEANT = 0.5;

export function likeliest({ predictions }: Suggestion): Prediction | undefined {
  return predictions.reduce<Prediction | undefined>(
    (best, one) => (best && best.probability >= one.probability ? best : one),
    undefined,
  );
}

/** The tags that a photo gets: the likeliest, with several tags all that are meant. */
export function meantTags(suggestion: Suggestion, isMultilabel: boolean): Prediction[] {
  const best = likeliest(suggestion);
  if (!best) return [];
  if (!isMultilabel || best.tagType === "Negative") return [best];
  const meant = suggestion.predictions.filter(
    ({ tagId, tagType, probability }) => tagId === best.tagId || (probability >= MEANT && tagType !== "Negative"),
  );
  return meant.sort((one, other) => other.probability - one.probability);
}

/** By the likeliest tag; the largest group first, each in the order of the suggestions, unlikely tags last. */
export function grouped(suggestions: readonly Suggestion[]): Group[] {
  const groups = new Map<string, Group>();
  const unlikely: Suggestion[] = [];
  for (const suggestion of suggestions) {
    const best = likeliest(suggestion);
    if (!best) continue;
    if (best.probability < MEANT) {
      unlikely.push(suggestion);
      continue;
    }
    const group = groups.get(best.tagId) ?? { tag: { id: best.tagId, name: best.tagName }, suggestions: [] };
    group.suggestions.push(suggestion);
    groups.set(best.tagId, group);
  }
  const found = [...groups.values()].sort((one, other) => other.suggestions.length - one.suggestions.length);
  return unlikely.length > 0 ? [...found, { tag: null, suggestions: unlikely }] : found;
}

export type FoundBox = Prediction & { boundingBox: Schemas["BoundingBox"] };

/** The boxes from a probability on, the likeliest first. */
export function boxesFrom({ predictions }: Suggestion, threshold: number): FoundBox[] {
  return predictions
    .flatMap((one) => (one.boundingBox && one.probability >= threshold ? [{ ...one, boundingBox: one.boundingBox }] : []))
    .sort((one, other) => other.probability - one.probability);
}

export function regionsOf(imageId: string, boxes: readonly FoundBox[]): Schemas["ImageRegionEntry"][] {
  return boxes.map(({ tagId, boundingBox }) => ({ imageId, tagId, ...boundingBox }));
}
