/** Which photos are chosen: some by their ids, or all that the filter shows but some. */

export interface Selection {
  /** All photos of the filter, but those in `ids`. */
  all: boolean;
  ids: ReadonlySet<string>;
}

export const NOTHING: Selection = { all: false, ids: new Set() };
export const ALL: Selection = { all: true, ids: new Set() };

export function holds({ all, ids }: Selection, id: string): boolean {
  return all !== ids.has(id);
}

export function sizeOf({ all, ids }: Selection, count: number): number {
  return all ? Math.max(0, count - ids.size) : ids.size;
}

export function flipped({ all, ids }: Selection, id: string): Selection {
  const changed = new Set(ids);
  if (!changed.delete(id)) changed.add(id);
  return { all, ids: changed };
}

/** With photos more. */
export function joined({ all, ids }: Selection, more: readonly string[]): Selection {
  const changed = new Set(ids);
  for (const id of more) {
    if (all) changed.delete(id);
    else changed.add(id);
  }
  return { all, ids: changed };
}
