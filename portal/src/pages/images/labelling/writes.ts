/** Changes of tags on their way to the server: in order, in batches, until they are there. */
import { ApiError } from "@/api/errors";

import type { Change } from "./changes";

export interface Pair {
  imageId: string;
  tagId: string;
}

/** The calls that write tags. */
export interface TagCalls {
  /** Returns those that an image cannot take. */
  add: (pairs: readonly Pair[]) => Promise<readonly Pair[]>;
  remove: (imageIds: readonly string[], tagId: string) => Promise<void>;
  /** Ends when the server answers again. */
  untilReachable: () => Promise<void>;
  /** Ends when there is a key again after one was refused. */
  untilSignedIn: () => Promise<void>;
}

export interface Limits {
  images: number;
  tags: number;
}

export interface Heard {
  /** The server has these. */
  written: (changes: readonly Change[]) => void;
  /** The server refused these. */
  refused: (changes: readonly Change[], error: Error | null) => void;
}

const KEY_REFUSED = 401;

export class TagWriter {
  private readonly waiting = new Map<string, Change>();
  private sending: readonly Change[] = [];
  private running = false;
  private resting: (() => void)[] = [];
  private current: Promise<void> = Promise.resolve();
  private readonly reads = new Set<Promise<unknown>>();

  constructor(
    private readonly calls: TagCalls,
    private readonly limits: Limits,
    private readonly heard: Heard,
  ) {}

  /** Changes that the server does not have yet. */
  get open(): number {
    return this.waiting.size + this.sending.length;
  }

  push(changes: readonly Change[]): void {
    for (const change of changes) {
      const key = keyOf(change);
      this.waiting.delete(key); // the newest state of a tag on a photo counts, in its new place
      this.waiting.set(key, change);
    }
    if (!this.running && this.waiting.size > 0) void this.run();
  }

  /** Whether a newer change of this tag on this photo waits to be sent. */
  isWaiting(pair: Pair): boolean {
    return this.waiting.has(keyOf(pair));
  }

  /** Ends when all changes are written. */
  idle(): Promise<void> {
    return this.running ? new Promise((resolve) => this.resting.push(resolve)) : Promise.resolve();
  }

  /**
   * Read what the server has while nothing is being written; what is typed meanwhile waits.
   *
   * @param read gets the photos that have changes which the server does not have.
   */
  async whileStill<T>(read: (pending: ReadonlySet<string>) => Promise<T>): Promise<T> {
    const reading = this.current.then(() => read(new Set([...this.waiting.values()].map(({ imageId }) => imageId))));
    this.reads.add(reading);
    try {
      return await reading;
    } finally {
      this.reads.delete(reading);
    }
  }

  private async run(): Promise<void> {
    this.running = true;
    await Promise.resolve(); // what one keystroke changes goes together
    while (this.waiting.size > 0) {
      if (this.reads.size > 0) {
        await Promise.allSettled(this.reads);
        continue;
      }
      this.sending = nextBatch([...this.waiting.values()], this.limits);
      for (const change of this.sending) this.waiting.delete(keyOf(change));
      this.current = this.write(this.sending);
      await this.current;
      this.sending = [];
    }
    this.running = false;
    const resting = this.resting;
    this.resting = [];
    for (const end of resting) end();
  }

  private async write(batch: readonly Change[]): Promise<void> {
    for (;;) {
      try {
        await this.send(batch);
        return;
      } catch (error) {
        if (error instanceof ApiError && (error.unreachable || error.status === 429)) {
          await this.calls.untilReachable();
        } else if (error instanceof ApiError && error.status === KEY_REFUSED) {
          await this.calls.untilSignedIn();
        } else if (batch.length > 1) {
          // One photo that another tab deleted must not take the others with it.
          for (const change of batch) await this.write([change]);
          return;
        } else {
          this.heard.refused(batch, error instanceof Error ? error : null);
          return;
        }
      }
    }
  }

  private async send(batch: readonly Change[]): Promise<void> {
    const [first] = batch;
    if (!first) return;
    if (!first.add) {
      await this.calls.remove(
        batch.map((change) => change.imageId),
        first.tagId,
      );
      this.heard.written(batch);
      return;
    }
    const left = new Set((await this.calls.add(batch)).map(keyOf));
    this.heard.written(batch.filter((change) => !left.has(keyOf(change))));
    const refused = batch.filter((change) => left.has(keyOf(change)));
    if (refused.length > 0) this.heard.refused(refused, null);
  }
}

/** What one call can write: removals of one tag first, since an added tag may need the room. */
export function nextBatch(waiting: readonly Change[], limits: Limits): Change[] {
  const removal = waiting.find((change) => !change.add);
  if (removal) {
    return waiting
      .filter((change) => !change.add && change.tagId === removal.tagId)
      .slice(0, limits.images);
  }
  const images = new Set<string>();
  const tags = new Set<string>();
  const batch: Change[] = [];
  for (const change of waiting) {
    const isFull = images.size >= limits.images && !images.has(change.imageId);
    if (isFull || (tags.size >= limits.tags && !tags.has(change.tagId))) break;
    images.add(change.imageId);
    tags.add(change.tagId);
    batch.push(change);
  }
  return batch;
}

function keyOf({ imageId, tagId }: Pair): string {
  return `${imageId} ${tagId}`;
}
