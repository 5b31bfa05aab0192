/** Which photos an iteration got wrong when it had not learned from them. */
import type { Schemas } from "@/api/client";

export type Judged = Pick<Schemas["ImagePerformance"], "id" | "tags" | "regions" | "predictions">;
export type Kind = "multiclass" | "multilabel" | "detection";
type Box = Schemas["BoundingBox"];

const COUNTS = 0.5; // a prediction, from this probability on
const OVERLAPS = 0.5; // a box is right from this intersection over union on

export function isMistaken(photo: Judged, kind: Kind): boolean {
  if (photo.predictions.length === 0) return false; // it was not judged
  if (kind === "detection") return hasWrongBoxes(photo);
  const tags = new Set((photo.tags ?? []).map((tag) => tag.tagId));
  if (kind === "multiclass") {
    const [most] = [...photo.predictions].sort((one, other) => other.probability - one.probability);
    return most !== undefined && !tags.has(most.tagId);
  }
  const said = photo.predictions.filter((one) => one.probability >= COUNTS).map((one) => one.tagId);
  return said.length !== tags.size || said.some((tagId) => !tags.has(tagId));
}

function hasWrongBoxes({ regions, predictions }: Judged): boolean {
  const left = [...(regions ?? [])];
  const said = predictions.filter((one) => one.probability >= COUNTS);
  for (const { tagId, boundingBox } of said.sort((one, other) => other.probability - one.probability)) {
    const overlaps = left.map((region) =>
      boundingBox && region.tagId === tagId ? overlapOf(region, boundingBox) : 0,
    );
    const best = Math.max(0, ...overlaps);
    if (best < OVERLAPS) return true;
    left.splice(overlaps.indexOf(best), 1);
  }
  return left.length > 0;
}

export function overlapOf(one: Box, other: Box): number {
  const wide = Math.min(one.left + one.width, other.left + other.width) - Math.max(one.left, other.left);
  const high = Math.min(one.top + one.height, other.top + other.height) - Math.max(one.top, other.top);
  const shared = Math.max(0, wide) * Math.max(0, high);
  const both = one.width * one.height + other.width * other.height - shared;
  return both > 0 ? shared / both : 0;
}
