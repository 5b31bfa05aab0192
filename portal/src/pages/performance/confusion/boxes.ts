/** Which found boxes are right: the rule of the server's evaluation, for single photos. */

export interface Box {
  tagId: string;
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface FoundBox extends Box {
  probability: number;
}

/** What became of a drawn or a found box: both where they belong together, null for what is not there. */
export interface Outcome {
  drawn: Box | null;
  found: FoundBox | null;
}

const ROUNDING = 1e-6;

/**
 * Boxes choose in the order of their scores; each takes the drawn box of its tag that it overlaps most of those
 * that are left. What remains may be on a drawn box of another tag, which was then taken for the wrong one.
 */
export function outcomes(
  drawn: readonly Box[],
  found: readonly FoundBox[],
  threshold: number,
  overlap: number,
): Outcome[] {
  const chosen = found
    .filter(({ probability }) => probability >= threshold)
    .sort((one, other) => other.probability - one.probability);
  const taken = new Set<Box>();
  const right = take(chosen, drawn, overlap, taken, true);
  const rest = chosen.filter((box) => !right.has(box));
  const swapped = take(rest, drawn, overlap, taken, false);
  const invented = rest.filter((box) => !swapped.has(box));
  const missed = drawn.filter((box) => !taken.has(box));
  return [
    ...[...right, ...swapped].map(([box, on]) => ({ drawn: on, found: box })),
    ...invented.map((box) => ({ drawn: null, found: box })),
    ...missed.map((box) => ({ drawn: box, found: null })),
  ];
}

/** Intersection over union. */
export function overlapOf(one: Box, other: Box): number {
  const across = Math.min(one.left + one.width, other.left + other.width) - Math.max(one.left, other.left);
  const down = Math.min(one.top + one.height, other.top + other.height) - Math.max(one.top, other.top);
  const shared = Math.max(across, 0) * Math.max(down, 0);
  const together = one.width * one.height + other.width * other.height - shared;
  return together > 0 ? shared / together : 0;
}

function take(
  found: readonly FoundBox[],
  drawn: readonly Box[],
  overlap: number,
  taken: Set<Box>,
  sameTag: boolean,
): Map<FoundBox, Box> {
  const partners = new Map<FoundBox, Box>();
  for (const box of found) {
    let best: Box | null = null;
    for (const other of drawn) {
      if (taken.has(other) || (other.tagId === box.tagId) !== sameTag) continue;
      const shared = overlapOf(box, other);
      if (shared < overlap - ROUNDING || shared < ROUNDING) continue;
      if (!best || shared > overlapOf(box, best)) best = other;
    }
    if (!best) continue;
    taken.add(best);
    partners.set(box, best);
  }
  return partners;
}
