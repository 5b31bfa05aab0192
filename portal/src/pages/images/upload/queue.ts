/** Photos on their way to the server: several calls at once, until each photo has an answer. */
import { ApiError, messageOf } from "@/api/errors";
import { texts } from "@/texts";

import type { Entry, Found } from "./entries";
import { Rate } from "./rate";
import type { Answer } from "./send";

export type State = "waiting" | "sending" | "added" | "duplicate" | "refused" | "failed" | "cancelled";
export type Phase = "idle" | "running" | "paused" | "lost";
export type LeftOut = Found["refused"];

export interface Item {
  readonly entry: Entry;
  readonly tagIds: readonly string[];
  state: State;
  /** Why it was refused, or failed. */
  reason: string | null;
  /** Whether it has to be made smaller before it is sent. */
  mustShrink: boolean;
  wasShrunk: boolean;
  /** Whether a call with it ended without an answer: the server may have it already. */
  isUncertain: boolean;
}

export interface Calls {
  send: (
    tagIds: readonly string[],
    files: readonly { name: string; content: Blob }[],
    signal: AbortSignal,
    onProgress: (bytes: number) => void,
  ) => Promise<Answer>;
  shrink: (photo: Blob) => Promise<Blob>;
  untilReachable: (signal: AbortSignal) => Promise<void>;
  /** Ends when there is a key again after one was refused. */
  untilSignedIn: (signal: AbortSignal) => Promise<void>;
  /** Photos were added. */
  added: () => void;
}

export interface Bounds {
  /** Photos in one call. */
  images: number;
  /** Bytes of one call. */
  body: number;
  /** Bytes of one photo. */
  photo: number;
}

const LANES = 3;
const KEY_REFUSED = 401;
const TOO_LARGE = new Set(["ErrorImageSize", "ErrorImageDimensions"]);

export class UploadQueue {
  private list: Item[] = [];
  private without: LeftOut = [];
  private waiting: Item[] = [];
  private lanes = 0;
  private stopped = new AbortController();
  private lost: Promise<void> | null = null;
  private paused = false;
  private readonly listeners = new Set<() => void>();
  private readonly partly = new Map<object, number>();
  private settledBytes = 0;
  readonly rate = new Rate();

  constructor(
    private readonly calls: Calls,
    private readonly bounds: Bounds,
  ) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get items(): readonly Item[] {
    return this.list;
  }

  /** Files that were not photos, which nobody tried to send. */
  get leftOut(): LeftOut {
    return this.without;
  }

  get phase(): Phase {
    if (this.lost) return "lost";
    if (this.paused) return "paused";
    return this.lanes > 0 || this.waiting.length > 0 ? "running" : "idle";
  }

  get bytes(): number {
    return this.list.reduce((sum, item) => sum + (item.state === "cancelled" ? 0 : item.entry.size), 0);
  }

  get bytesDone(): number {
    return this.settledBytes + [...this.partly.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  counted(state: State): number {
    return this.list.reduce((count, item) => count + Number(item.state === state), 0);
  }

  add(photos: readonly { entry: Entry; tagIds: readonly string[] }[], leftOut: LeftOut = []): void {
    if (this.phase === "idle") this.clear();
    this.without = [...this.without, ...leftOut];
    const items = photos.map(({ entry, tagIds }) => ({ entry, tagIds, ...FRESH }));
    this.list = [...this.list, ...items];
    this.waiting.push(...items);
    this.go();
  }

  pause(): void {
    this.paused = true;
    this.tell();
  }

  resume(): void {
    this.paused = false;
    this.go();
  }

  /** Give up what has no answer yet. */
  cancel(): void {
    for (const item of this.list) if (item.state === "waiting" || item.state === "sending") item.state = "cancelled";
    this.waiting = [];
    this.paused = false;
    this.stopped.abort();
    this.stopped = new AbortController();
    this.tell();
  }

  /** Try once more what failed. */
  retry(): void {
    for (const item of this.list) {
      if (item.state !== "failed" && item.state !== "cancelled") continue;
      if (item.state === "failed") this.settledBytes -= item.entry.size;
      Object.assign(item, { state: "waiting", reason: null });
      this.waiting.push(item);
    }
    this.go();
  }

  clear(): void {
    this.list = [];
    this.without = [];
    this.settledBytes = 0;
    this.rate.clear();
    this.tell();
  }

  private go(): void {
    while (!this.paused && this.lanes < LANES && this.lanes < this.waiting.length) {
      this.lanes += 1;
      void this.lane().finally(() => {
        this.lanes -= 1;
        this.tell();
      });
    }
    this.tell();
  }

  private async lane(): Promise<void> {
    while (!this.paused && this.waiting.length > 0) {
      if (this.lost) await this.lost;
      const batch = this.take();
      if (batch.length > 0) await this.deliver(batch, this.stopped.signal);
    }
  }

  /** The next photos that go into one call: those with the same tags. */
  private take(): Item[] {
    const [first] = this.waiting;
    if (!first || this.paused) return [];
    const tags = first.tagIds.join();
    let bytes = 0;
    let size = 0;
    for (const item of this.waiting) {
      const more = Math.min(item.entry.size, this.bounds.photo);
      const isFull = size >= this.bounds.images || (size > 0 && bytes + more > this.bounds.body);
      if (isFull || item.tagIds.join() !== tags) break;
      bytes += more;
      size += 1;
    }
    const batch = this.waiting.splice(0, size);
    for (const item of batch) item.state = "sending";
    return batch;
  }

  private async deliver(batch: readonly Item[], signal: AbortSignal): Promise<void> {
    const ready = await this.prepared(batch);
    if (ready.length === 0 || signal.aborted) return this.tell();
    const files = ready.map(([item, content]) => ({ name: item.entry.name, content }));
    const items = ready.map(([item]) => item);
    const [sent, own] = [files.reduce((sum, file) => sum + file.content.size, 0), sizeOf(items)];
    try {
      const answer = await this.calls.send(items[0]?.tagIds ?? [], files, signal, (bytes) => {
        this.partly.set(batch, Math.min(1, bytes / Math.max(1, sent)) * own);
        this.rate.note(this.bytesDone);
        this.tell();
      });
      this.partly.delete(batch);
      this.hear(items, answer);
      this.calls.added();
    } catch (error) {
      this.partly.delete(batch);
      if (!signal.aborted) this.fail(items, error);
    }
    this.rate.note(this.bytesDone);
    this.tell();
  }

  private async prepared(batch: readonly Item[]): Promise<[Item, Blob][]> {
    const ready: [Item, Blob][] = [];
    for (const item of batch) {
      let content: Blob;
      try {
        content = await item.entry.read();
      } catch (error) {
        this.settle(item, "failed", texts.upload.unreadable(messageOf(error)));
        continue;
      }
      const isLarge = content.size > this.bounds.photo;
      if ((isLarge || item.mustShrink) && !item.wasShrunk) {
        try {
          content = await this.calls.shrink(content);
          item.wasShrunk = true;
        } catch {
          this.settle(item, "refused", item.reason ?? texts.upload.tooLarge(this.bounds.photo));
          continue;
        }
      }
      ready.push([item, content]);
    }
    return ready;
  }

  private hear(items: readonly Item[], { results, reasons }: Answer): void {
    items.forEach((item, place) => {
      const status = results[place]?.status ?? "ErrorUnknown";
      const reason = reasons.get(place) ?? texts.upload.reasons[status];
      if (status === "OK") this.settle(item, "added");
      else if (status === "OKDuplicate") this.settle(item, item.isUncertain ? "added" : "duplicate");
      else if (TOO_LARGE.has(status) && !item.mustShrink && !item.wasShrunk) {
        Object.assign(item, { mustShrink: true, state: "waiting", reason });
        this.waiting.push(item);
      } else this.settle(item, status === "ErrorStorage" ? "failed" : "refused", reason);
    });
  }

  private fail(items: readonly Item[], error: unknown): void {
    const { calls, stopped } = this;
    const status = error instanceof ApiError ? error.status : null;
    const isLost = error instanceof ApiError && (error.unreachable || status === 429);
    if (!isLost && status !== KEY_REFUSED) {
      for (const item of items) this.settle(item, "failed", messageOf(error));
      return;
    }
    for (const item of items) Object.assign(item, { state: "waiting", isUncertain: item.isUncertain || isLost });
    this.waiting.unshift(...items);
    this.lost ??= (isLost ? calls.untilReachable : calls.untilSignedIn)(stopped.signal).then(() => {
      this.lost = null;
      this.rate.clear();
      this.tell();
    });
  }

  private settle(item: Item, state: State, reason: string | null = null): void {
    if (item.state === "cancelled") return;
    item.state = state;
    item.reason = reason;
    this.settledBytes += item.entry.size;
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

const FRESH = {
  state: "waiting" as State,
  reason: null,
  mustShrink: false,
  wasShrunk: false,
  isUncertain: false,
};

function sizeOf(items: readonly Item[]): number {
  return items.reduce((sum, item) => sum + item.entry.size, 0);
}
