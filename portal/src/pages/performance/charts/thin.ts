/** Curves with fewer points, so that a browser draws them quickly. */
export interface Point {
  x: number;
  y: number;
}

const MOST = 160;

/** At most so many points of a curve, the first and the last among them. */
export function thin(points: readonly Point[], most = MOST): Point[] {
  if (points.length <= most) return [...points];
  const step = (points.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, place) => points[Math.round(place * step)] as Point);
}

/** The points of a precision/recall curve; of equal recalls the first and the last are enough. */
export function curvePoints(recall: readonly number[], precision: readonly number[]): Point[] {
  const all = recall.map((x, place) => ({ x, y: precision[place] ?? 0 }));
  const kept = all.filter((point, place) => {
    const isInside = all[place - 1]?.x === point.x && all[place + 1]?.x === point.x;
    return !isInside;
  });
  return thin(kept);
}

/** The least value of an axis from 0 to 1 on which these can be told apart: a multiple of 0.1. */
export function floorOf(values: readonly number[]): number {
  const least = Math.min(1, ...values);
  return Math.max(0, Math.min(0.9, Math.floor(least * 10 - 0.5) / 10));
}
