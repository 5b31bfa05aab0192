/** What was already corrected of that which a training found suspicious. */
import type { Schemas } from "@/api/client";

import { type Box, overlapOf } from "../confusion/boxes";

type Image = Schemas["Image"];
type Issue = Schemas["SuspectBox"];
type Region = Schemas["ImageRegion"];

const SAME_PLACE = 0.9;
const SAME_OBJECT = 0.5;

export function sameTags(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((tag) => other.includes(tag));
}

/** The region that an issue is about, as it is now; undefined if it is not there, or not there any more. */
export function regionOf({ place, given }: Issue, image: Image, idOf: (tag: string) => string): Region | undefined {
  if (!place || given === null) return undefined;
  const drawn: Box = { tagId: idOf(given), ...place };
  return image.regions?.find((region) => region.tagId === drawn.tagId && overlapOf(region, drawn) >= SAME_PLACE);
}

/** Whether the boxes of a photo were changed where an issue is. */
export function isBoxFixed(issue: Issue, image: Image, idOf: (tag: string) => string): boolean {
  if (issue.place) return regionOf(issue, image, idOf) === undefined;
  const suggested: Box = { tagId: idOf(issue.suggested), ...issue.suggestedPlace };
  return image.regions?.some((region) => overlapOf(region, suggested) >= SAME_OBJECT) === true;
}

/** What has to be taken off and put on for a photo to have other tags. */
export function tagChange(current: readonly string[], wanted: readonly string[]): { off: string[]; on: string[] } {
  return {
    off: current.filter((tag) => !wanted.includes(tag)),
    on: wanted.filter((tag) => !current.includes(tag)),
  };
}
