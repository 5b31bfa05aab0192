/** The photos before and after one in a list that is too long to be read whole. */

export interface Stop {
  id: string;
  created: string;
}

export interface Listing {
  count: () => Promise<number>;
  page: (skip: number, take: number) => Promise<readonly Stop[]>;
  /** Whether the oldest come first. */
  oldest: boolean;
}

const PAGE = 128;
const SHARED = 8;

export class Trail {
  private ids: string[] = [];
  private start = 0;
  private total = 0;
  private isAtEnd = false;
  private reading: Promise<void> = Promise.resolve();

  constructor(private readonly listing: Listing) {}

  get count(): number {
    return this.total;
  }

  /** Counted from 0; null while it is not known. */
  placeOf(id: string): number | null {
    const index = this.ids.indexOf(id);
    return index < 0 ? null : this.start + index;
  }

  before(id: string): string | null {
    return this.ids[this.ids.indexOf(id) - 1] ?? null;
  }

  after(id: string): string | null {
    const index = this.ids.indexOf(id);
    return index < 0 ? null : (this.ids[index + 1] ?? null);
  }

  /** The photo is no more. */
  forget(id: string): void {
    const index = this.ids.indexOf(id);
    if (index < 0) return;
    this.ids.splice(index, 1);
    this.total -= 1;
  }

  /**
   * Find a photo and those beside it.
   *
   * @param hint where it was seen in the list.
   */
  async around(photo: Stop, hint: number | null): Promise<void> {
    this.reading = this.reading.catch(() => {}).then(() => this.find(photo, hint));
    await this.reading;
  }

  private async find(photo: Stop, hint: number | null): Promise<void> {
    if (!this.ids.includes(photo.id)) await this.locate(photo, hint);
    if (this.after(photo.id) === null && !this.isAtEnd) await this.extend();
    if (this.before(photo.id) === null && this.start > 0) await this.extendBack();
  }

  private async locate(photo: Stop, hint: number | null): Promise<void> {
    this.total = await this.listing.count();
    if (hint !== null && (await this.open(Math.max(0, hint - PAGE / 2), photo.id))) return;
    const place = await this.firstNotBefore(photo);
    // Photos of one upload have one time.
    if (await this.open(Math.max(0, place - PAGE / 4), photo.id)) return;
    this.ids.splice(Math.min(this.ids.length, place - this.start), 0, photo.id);
  }

  private async open(start: number, id: string): Promise<boolean> {
    const page = await this.listing.page(start, PAGE);
    this.start = start;
    this.ids = page.map((stop) => stop.id);
    this.isAtEnd = page.length < PAGE;
    return this.ids.includes(id);
  }

  /** Where in the list photos begin that do not come before this one, by halves. */
  private async firstNotBefore({ created }: Stop): Promise<number> {
    const target = Date.parse(created);
    let low = 0;
    let high = this.total;
    while (low < high) {
      const half = Math.floor((low + high) / 2);
      const [stop] = await this.listing.page(half, 1);
      const time = stop ? Date.parse(stop.created) : null;
      const isBefore = time !== null && (this.listing.oldest ? time < target : time > target);
      if (isBefore) low = half + 1;
      else high = half;
    }
    return low;
  }

  /** Photos may have left the list since, such as those that were tagged in the list of the untagged. */
  private async extend(): Promise<void> {
    const left = Math.max(0, this.total - (await this.listing.count()));
    const skip = Math.max(0, this.start + this.ids.length - left - SHARED);
    const page = await this.listing.page(skip, PAGE);
    this.isAtEnd = page.length < PAGE;
    const known = new Set(this.ids);
    this.ids.push(...page.map((stop) => stop.id).filter((id) => !known.has(id)));
  }

  private async extendBack(): Promise<void> {
    const skip = Math.max(0, this.start - PAGE);
    const page = await this.listing.page(skip, this.start - skip);
    const known = new Set(this.ids);
    this.ids.unshift(...page.map((stop) => stop.id).filter((id) => !known.has(id)));
    this.start = skip;
  }
}
