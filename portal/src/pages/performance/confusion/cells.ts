/** Which photos are behind a number of a confusion matrix, told from their held-out predictions. */
import type { Schemas } from "@/api/client";
import { type ShownBox } from "@/components/PhotoWithBoxes";

import { outcomes } from "./boxes";

type Photo = Schemas["ImagePerformance"];

/** A tag of an iteration. */
export interface CellTag {
  id: string;
  name: string;
}

/** What to look for. */
export interface Search {
  /** Photos are looked for among those with one of these tags; among all if there are none. */
  tagIds: readonly string[];
  /** Null if a photo does not belong to the cell; else what is shown over it, and how often it counts. */
  match: (photo: Photo) => Match | null;
}

export interface Match {
  boxes: ShownBox[];
  count: number;
}

export type TagOutcome = "hit" | "missed" | "alarm" | "rejected";

const ONE: Match = { boxes: [], count: 1 };

/** Photos of a tag for which another one was the most probable. */
export function takenFor(truth: CellTag, found: CellTag): Search {
  return {
    tagIds: [truth.id],
    match: ({ tags, predictions }) =>
      hasTag(tags, truth.id) && predictions[0]?.tagId === found.id ? ONE : null,
  };
}

/** Photos whose tag was found, missed, or given wrongly at a threshold. */
export function withOutcome(tag: CellTag, outcome: TagOutcome, threshold: number): Search {
  const isTagged = outcome === "hit" || outcome === "missed";
  const isGiven = outcome === "hit" || outcome === "alarm";
  return {
    tagIds: isTagged ? [tag.id] : [],
    match: ({ tags, predictions }) => {
      const said = predictions.find(({ tagId }) => tagId === tag.id);
      if (!said || hasTag(tags, tag.id) !== isTagged) return null;
      return said.probability >= threshold === isGiven ? ONE : null;
    },
  };
}

/** Photos with drawn boxes of a tag that were found as another; null for what is missed, or not drawn. */
export function boxesTakenFor(
  truth: CellTag | null,
  found: CellTag | null,
  threshold: number,
  overlap: number,
  known: readonly CellTag[],
): Search {
  const names = new Map(known.map(({ id, name }) => [id, name]));
  return {
    tagIds: truth ? [truth.id] : [],
    match: (photo) => {
      const drawn = (photo.regions ?? []).filter(({ tagId }) => names.has(tagId));
      const seen = photo.predictions.flatMap(({ tagId, probability, boundingBox }) =>
        boundingBox ? [{ tagId, probability, ...boundingBox }] : [],
      );
      const those = outcomes(drawn, seen, threshold, overlap).filter(
        (one) => one.drawn?.tagId === truth?.id && one.found?.tagId === found?.id,
      );
      if (those.length === 0) return null;
      const boxes = those.flatMap((one) => [
        ...(one.drawn ? [{ tagName: names.get(one.drawn.tagId) ?? "", tagId: one.drawn.tagId, boundingBox: one.drawn }] : []),
        ...(one.found
          ? [
              {
                tagName: names.get(one.found.tagId) ?? "",
                tagId: one.found.tagId,
                probability: one.found.probability,
                boundingBox: one.found,
                dashed: true,
              },
            ]
          : []),
      ]);
      return { boxes, count: those.length };
    },
  };
}

function hasTag(tags: Photo["tags"], tagId: string): boolean {
  return tags?.some((tag) => tag.tagId === tagId) === true;
}
