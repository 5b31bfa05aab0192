/** Boxes on a photo in its pixels, and how the photo lies on the screen. */

export interface Size {
  width: number;
  height: number;
}

export interface Point {
  x: number;
  y: number;
}

export interface Rect extends Size {
  left: number;
  top: number;
}

/** A point of the photo lies on the screen at `scale * point + (x, y)`. */
export interface View extends Point {
  scale: number;
}

/** Pixels of the screen below which a drawn box was meant as a click. */
export const LEAST_DRAWN = 4;
/** Pixels of the photo that a box measures at least. */
export const LEAST = 1;
const MOST_ZOOM = 40;
const STEPS = 300;
const MIDDLE = 0.25;

/** The box between two corners, within the photo. */
export function between(one: Point, other: Point, photo: Size): Rect {
  const left = limited(Math.min(one.x, other.x), 0, photo.width);
  const top = limited(Math.min(one.y, other.y), 0, photo.height);
  const right = limited(Math.max(one.x, other.x), 0, photo.width);
  const bottom = limited(Math.max(one.y, other.y), 0, photo.height);
  return { left, top, width: right - left, height: bottom - top };
}

/** What of a box lies within the photo; at least a pixel. */
export function cut(rect: Rect, photo: Size): Rect {
  const left = limited(rect.left, 0, photo.width - LEAST);
  const top = limited(rect.top, 0, photo.height - LEAST);
  return {
    left,
    top,
    width: limited(rect.left + rect.width, left + LEAST, photo.width) - left,
    height: limited(rect.top + rect.height, top + LEAST, photo.height) - top,
  };
}

/** The box moved, as far as the photo reaches. */
export function moved(rect: Rect, by: Point, photo: Size): Rect {
  return {
    ...rect,
    left: limited(rect.left + by.x, 0, photo.width - rect.width),
    top: limited(rect.top + by.y, 0, photo.height - rect.height),
  };
}

/** The box with its lower right corner moved, as far as the photo reaches. */
export function resized(rect: Rect, by: Point, photo: Size): Rect {
  return {
    ...rect,
    width: limited(rect.width + by.x, LEAST, photo.width - rect.left),
    height: limited(rect.height + by.y, LEAST, photo.height - rect.top),
  };
}

/** A new box in the middle of the photo. */
export function middle(photo: Size): Rect {
  const width = Math.max(LEAST, photo.width * MIDDLE);
  const height = Math.max(LEAST, photo.height * MIDDLE);
  return { left: (photo.width - width) / 2, top: (photo.height - height) / 2, width, height };
}

/** Pixels that a key moves a box by. */
export function keyStep(photo: Size, fine: boolean): number {
  return fine ? 1 : Math.max(1, Math.round(Math.max(photo.width, photo.height) / STEPS));
}

/** The smallest box that holds a point. */
export function at<R extends Rect>(rects: readonly R[], { x, y }: Point): R | undefined {
  const holding = rects.filter(
    ({ left, top, width, height }) => x >= left && x <= left + width && y >= top && y <= top + height,
  );
  return holding.sort((one, other) => areaOf(one) - areaOf(other))[0];
}

/** The area that two boxes share, of the area that they cover together. */
export function overlap(one: Rect, other: Rect): number {
  const width = Math.min(one.left + one.width, other.left + other.width) - Math.max(one.left, other.left);
  const height = Math.min(one.top + one.height, other.top + other.height) - Math.max(one.top, other.top);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (areaOf(one) + areaOf(other) - shared);
}

export function sameRect(one: Rect, other: Rect, tolerance = 1e-6): boolean {
  const edges = ["left", "top", "width", "height"] as const;
  return edges.every((edge) => Math.abs(one[edge] - other[edge]) <= tolerance);
}

export function toFractions(rect: Rect, photo: Size): Rect {
  const left = rect.left / photo.width;
  const top = rect.top / photo.height;
  return {
    left,
    top,
    width: Math.min(rect.width / photo.width, 1 - left),
    height: Math.min(rect.height / photo.height, 1 - top),
  };
}

export function toPixels(rect: Rect, photo: Size): Rect {
  return {
    left: rect.left * photo.width,
    top: rect.top * photo.height,
    width: rect.width * photo.width,
    height: rect.height * photo.height,
  };
}

/** The whole photo in the middle of the stage. */
export function fitted(photo: Size, stage: Size, margin = 8): View {
  const wide = (stage.width - 2 * margin) / photo.width;
  const high = (stage.height - 2 * margin) / photo.height;
  const scale = Math.max(Math.min(wide, high), 1e-3);
  return {
    scale,
    x: (stage.width - photo.width * scale) / 2,
    y: (stage.height - photo.height * scale) / 2,
  };
}

/** Zoomed by a factor; what is at a point of the stage stays there. */
export function zoomed(view: View, factor: number, around: Point, least: number): View {
  const scale = limited(view.scale * factor, least, Math.max(least, MOST_ZOOM));
  const ratio = scale / view.scale;
  return { scale, x: around.x - (around.x - view.x) * ratio, y: around.y - (around.y - view.y) * ratio };
}

/** Panned no further than until an edge of the photo is in the middle of the stage. */
export function panned(view: View, by: Point, photo: Size, stage: Size): View {
  return {
    scale: view.scale,
    x: limited(view.x + by.x, stage.width / 2 - photo.width * view.scale, stage.width / 2),
    y: limited(view.y + by.y, stage.height / 2 - photo.height * view.scale, stage.height / 2),
  };
}

export function toPhoto(view: View, { x, y }: Point): Point {
  return { x: (x - view.x) / view.scale, y: (y - view.y) / view.scale };
}

export function distance(one: Point, other: Point): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

export function halfway(one: Point, other: Point): Point {
  return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
}

function areaOf({ width, height }: Size): number {
  return width * height;
}

function limited(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
