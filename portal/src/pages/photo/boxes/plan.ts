/** What the server lacks of a photo's boxes, and what it has too much. */
import { type Rect, sameRect } from "./geometry";

export interface Box extends Rect {
  /** Of this page; the server's regions have ids of their own. */
  id: string;
  /** Null until a tag is chosen: the server takes no box without one. */
  tagId: string | null;
}

/** A region of the server, and the box of which it is a copy. */
export interface Written {
  regionId: string;
  box: Box;
}

export interface Plan {
  create: readonly Box[];
  remove: readonly Written[];
}

/** A region never changes: a changed box is another region, written before the old one is deleted. */
export function planOf(wanted: readonly Box[], written: readonly Written[]): Plan {
  return {
    create: wanted.filter((box) => box.tagId !== null && !written.some((one) => sameBox(one.box, box))),
    remove: written.filter((one) => !wanted.some((box) => sameBox(one.box, box))),
  };
}

export function sameBox(one: Box, other: Box): boolean {
  return one.id === other.id && sameLook(one, other);
}

/** Whether two boxes are at the same place with the same tag. */
export function sameLook(one: Omit<Box, "id">, other: Omit<Box, "id">, tolerance?: number): boolean {
  return one.tagId === other.tagId && sameRect(one, other, tolerance);
}
