/** What becomes of predictions in training: their boxes as regions, or the chosen tags. */
import type { Schemas } from "@/api/client";

import type { Addition } from "./usePredictions";

export type Stored = Schemas["StoredImagePrediction"];

export function withTags(predictions: readonly Stored[], tagIds: readonly string[]): Addition[] {
  return predictions.map(({ id }) => ({ id, tagIds: [...tagIds], regions: [] }));
}

/** With the boxes from a probability on. */
export function withBoxes(predictions: readonly Stored[], threshold: number): Addition[] {
  return predictions.map(({ id, predictions: found }) => ({
    id,
    tagIds: [],
    regions: found.flatMap(({ tagId, probability, boundingBox }) =>
      boundingBox && probability >= threshold ? [{ tagId, ...boundingBox }] : [],
    ),
  }));
}
