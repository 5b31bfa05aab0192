/** Boxes of one photo on their way to the server, until it has them. */
import { ApiError } from "@/api/errors";

import { type Box, type Plan, type Written, planOf, sameBox, sameLook } from "./plan";

/** What became of boxes, in their order; null for one that is beyond what a photo takes. */
export type Created = readonly (string | "there" | null)[];

export interface RegionCalls {
  create: (boxes: readonly Box[]) => Promise<Created>;
  remove: (regionIds: readonly string[]) => Promise<void>;
  /** The regions that the photo has. */
  read: () => Promise<readonly Written[]>;
  /** Ends when the server answers again. */
  untilReachable: () => Promise<void>;
  /** Ends when there is a key again after one was refused. */
  untilSignedIn: () => Promise<void>;
}

export interface Limits {
  /** Regions in a call. */
  batch: number;
  /** What is said of boxes that are too many. */
  tooMany: string;
  /** What is said of a box that the server has and has not. */
  changedMeanwhile: string;
}

/** Of pixels: what was written once comes back with the rounding of a division. */
const NEAR = 1e-3;
const DEBOUNCE_MS = 350;
const KEY_REFUSED = 401;

export class RegionWriter {
  /** Boxes that the server refused as they are, with its words. */
  private readonly refused = new Map<string, { box: Box; error: Error }>();
  private readonly kept = new Map<string, Error>();
  private wanted: readonly Box[];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running: Promise<void> | null = null;
  /** Rises with all that is written. */
  revision = 0;
  /** Whether the server does not answer. */
  isLost = false;

  constructor(
    private written: readonly Written[],
    private readonly calls: RegionCalls,
    private readonly limits: Limits,
    private readonly changed: () => void,
  ) {
    this.wanted = written.map(({ box }) => box);
  }

  /** Boxes that the server does not have as they are, and regions that it has too much. */
  get open(): number {
    const { create, remove } = planOf(this.wanted, this.written);
    return new Set([...create.map(({ id }) => id), ...remove.map(({ box }) => box.id)]).size;
  }

  /** Why some are not written; null if nothing was refused. */
  get problem(): Error | null {
    const [refusal] = this.refused.values();
    const [keeping] = this.kept.values();
    return refusal?.error ?? keeping ?? null;
  }

  want(boxes: readonly Box[]): void {
    this.wanted = boxes;
    for (const [id, { box }] of this.refused) {
      if (!boxes.some((one) => sameBox(one, box))) this.refused.delete(id);
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.flush(), DEBOUNCE_MS);
    this.changed();
  }

  /** Write at once. Ends when all is written or refused. */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.running ??= this.run();
    await this.running;
  }

  /** Try again what was refused. */
  async retry(): Promise<void> {
    this.refused.clear();
    this.kept.clear();
    await this.flush();
  }

  /** Take over what the server has now. False if something is still to be written, or was since `revision`. */
  adopt(written: readonly Written[], revision: number): boolean {
    if (this.running || this.timer !== undefined || this.open > 0 || revision !== this.revision) return false;
    this.written = written;
    this.wanted = written.map(({ box }) => box);
    return true;
  }

  private plan(): Plan {
    const { create, remove } = planOf(this.wanted, this.written);
    return {
      create: create.filter(({ id }) => !this.refused.has(id)),
      remove: remove.filter(({ regionId, box }) => !this.kept.has(regionId) && !this.refused.has(box.id)),
    };
  }

  private async run(): Promise<void> {
    // Not before `running` is set, and what one key changes goes together.
    await Promise.resolve();
    for (let plan = this.plan(); plan.create.length + plan.remove.length > 0; plan = this.plan()) {
      this.changed();
      if (plan.create.length > 0) await this.create(plan.create.slice(0, this.limits.batch), plan.remove);
      else await this.remove(plan.remove.slice(0, this.limits.batch));
    }
    this.running = null;
    this.changed();
  }

  private async create(boxes: readonly Box[], surplus: readonly Written[]): Promise<void> {
    try {
      const done = await this.answered(() => this.calls.create(boxes));
      const known = done.includes("there") ? await this.answered(this.calls.read) : [];
      const beyond = boxes.filter((_, place) => done[place] === null);
      const written: Written[] = [];
      boxes.forEach((box, place) => {
        const made = done[place];
        if (!made) return;
        const regionId = made === "there" ? known.find((one) => sameLook(one.box, box, NEAR))?.regionId : made;
        if (regionId) written.push({ regionId, box });
        else this.refused.set(box.id, { box, error: new Error(this.limits.changedMeanwhile) });
      });
      this.took([...this.written, ...written]);
      if (beyond.length === 0) return;
      if (surplus.length > 0) return await this.remove(surplus.slice(0, this.limits.batch));
      for (const box of beyond) this.refused.set(box.id, { box, error: new Error(this.limits.tooMany) });
    } catch (error) {
      // One box with a tag that another tab deleted must not take the others with it.
      if (boxes.length > 1) for (const box of boxes) await this.create([box], surplus);
      else for (const box of boxes) this.refused.set(box.id, { box, error: asError(error) });
    }
  }

  private async remove(surplus: readonly Written[]): Promise<void> {
    const rest = this.written.filter((one) => !surplus.includes(one));
    const ids = surplus.map(({ regionId }) => regionId);
    // Two boxes that are alike are one region.
    const unused = ids.filter((id) => !rest.some(({ regionId }) => regionId === id));
    try {
      if (unused.length > 0) await this.answered(() => this.calls.remove(unused));
      this.took(rest);
    } catch (error) {
      for (const id of ids) this.kept.set(id, asError(error));
    }
  }

  private took(written: readonly Written[]): void {
    this.written = written;
    this.revision += 1;
  }

  /** The answer, for which a server that cannot be reached is waited. */
  private async answered<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const answer = await ask();
        this.isLost = false;
        return answer;
      } catch (error) {
        const isKeyRefused = error instanceof ApiError && error.status === KEY_REFUSED;
        const isLost = error instanceof ApiError && (error.unreachable || error.status === 429);
        this.isLost = isLost || isKeyRefused;
        if (!this.isLost) throw error;
        this.changed();
        await (isKeyRefused ? this.calls.untilSignedIn() : this.calls.untilReachable());
      }
    }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
