/** Pages of a long list of photos: which are needed, and where photos are that left the list meanwhile. */

export const PAGE = 128;
/** Pages that are kept: some 8,000 photos. */
export const KEPT_PAGES = 64;

/** The pages that hold these places. */
export function pagesOf(first: number, last: number, count: number): number[] {
  const end = Math.min(last, count - 1);
  if (end < first) return [];
  const from = Math.floor(Math.max(0, first) / PAGE);
  return Array.from({ length: Math.floor(end / PAGE) - from + 1 }, (_, place) => from + place);
}

/**
 * Photos that stay where they were seen although they are no longer in the list, such as one that was tagged in
 * the list of untagged photos: the server does not count them any more, so later pages begin earlier.
 */
export class Leavers {
  private readonly places = new Map<string, number>();
  private ahead = 0;

  get size(): number {
    return this.places.size;
  }

  set(id: string, place: number, hasLeft: boolean): void {
    if (hasLeft) this.places.set(id, place);
    else this.places.delete(id);
  }

  /** How many are before a place. */
  before(place: number, without: ReadonlySet<string> = new Set()): number {
    let count = 0;
    for (const [id, other] of this.places) if (other < place && !without.has(id)) count += 1;
    return count;
  }

  /** Photos were added at the beginning of the list, which are not shown yet. */
  comeBefore(count: number): void {
    this.ahead = count;
  }

  /** How many photos of the server's list lie before a place. */
  skipOf(place: number, pending: ReadonlySet<string>): number {
    return place - this.before(place, pending) + this.ahead;
  }

  /** How many the server does not count any more: it does not know yet of those that are pending. */
  known(pending: ReadonlySet<string>): number {
    return this.before(Infinity, pending);
  }

  /** Whether one is on a page, which could not be read again as it was. */
  isOn(page: number): boolean {
    return [...this.places.values()].some((place) => Math.floor(place / PAGE) === page);
  }

  clear(): void {
    this.places.clear();
  }
}
