/** The tags of photos as the page shows them: what the server said, with what was changed since on top. */
import { now } from "./clock";
import type { Change } from "./changes";
import { type Step, UndoStack } from "./undo";
import { type Limits, type TagCalls, TagWriter } from "./writes";

interface Layer {
  add: boolean;
  /** When the server had it, by `performance.now()`; null while it does not. */
  written: number | null;
}

export interface Seen {
  id: string;
  tags: readonly { tagId: string }[];
  /** When these tags were asked for, by `performance.now()`. */
  asked: number;
}

export class Labels {
  readonly undoStack = new UndoStack();
  private readonly layers = new Map<string, Map<string, Layer>>();
  private readonly writer: TagWriter;
  private readonly listeners = new Set<() => void>();
  private count = 0;
  private changed: (imageIds: readonly string[]) => void = () => {};
  onWritten: () => void = () => {};
  onRefused: (changes: readonly Change[], error: Error | null) => void = () => {};

  constructor(calls: TagCalls, limits: Limits) {
    this.writer = new TagWriter(calls, limits, {
      written: (changes) => {
        for (const change of changes) this.settle(change);
        this.onWritten();
        this.tell();
      },
      refused: (changes, error) => {
        for (const change of changes) this.layers.get(change.imageId)?.delete(change.tagId);
        const isRefused = new Set(changes.map(({ imageId, tagId }) => imageId + tagId));
        this.undoStack.forget((change) => isRefused.has(change.imageId + change.tagId));
        this.changed(changes.map((change) => change.imageId));
        this.onRefused(changes, error);
        this.tell();
      },
    });
  }

  /** A number that rises with every change, for `useSyncExternalStore`. */
  readonly version = (): number => this.count;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Hear which photos changed. Returns what ends it. */
  hear(changed: (imageIds: readonly string[]) => void): () => void {
    this.changed = changed;
    return () => {
      if (this.changed === changed) this.changed = () => {};
    };
  }

  /** Changes that the server does not have yet. */
  get open(): number {
    return this.writer.open;
  }

  /** Ends when the server has all changes. */
  idle(): Promise<void> {
    return this.writer.idle();
  }

  /** Read photos while nothing is being written; `read` gets the ids of those with changes that are not there yet. */
  whileStill<T>(read: (pending: ReadonlySet<string>) => Promise<T>): Promise<T> {
    return this.writer.whileStill(read);
  }

  tagsOf({ id, tags, asked }: Seen): ReadonlySet<string> {
    const shown = new Set(tags.map((tag) => tag.tagId));
    for (const [tagId, layer] of this.layers.get(id) ?? []) {
      if (layer.written !== null && layer.written < asked) continue; // the server said it already
      if (layer.add) shown.add(tagId);
      else shown.delete(tagId);
    }
    return shown;
  }

  apply(step: Step): void {
    this.undoStack.did(step);
    this.write(step.changes);
  }

  undo(): Step | undefined {
    const step = this.undoStack.last;
    this.write(this.undoStack.undo());
    return step;
  }

  redo(): Step | undefined {
    const step = this.undoStack.next;
    this.write(this.undoStack.redo());
    return step;
  }

  /** Drop what the server has: its next answers say it. */
  tidy(): void {
    for (const [imageId, tags] of this.layers) {
      for (const [tagId, layer] of tags) if (layer.written !== null) tags.delete(tagId);
      if (tags.size === 0) this.layers.delete(imageId);
    }
  }

  forgetPhotos(imageIds: readonly string[]): void {
    const gone = new Set(imageIds);
    this.undoStack.forget((change) => gone.has(change.imageId));
    this.tell();
  }

  forgetTag(tagId: string): void {
    this.undoStack.forget((change) => change.tagId === tagId);
    for (const tags of this.layers.values()) tags.delete(tagId);
    this.tell();
  }

  private write(changes: readonly Change[]): void {
    for (const { imageId, tagId, add } of changes) {
      const tags = this.layers.get(imageId) ?? new Map<string, Layer>();
      tags.set(tagId, { add, written: null });
      this.layers.set(imageId, tags);
    }
    this.writer.push(changes);
    this.changed(changes.map((change) => change.imageId));
    this.tell();
  }

  private settle(change: Change): void {
    const layer = this.layers.get(change.imageId)?.get(change.tagId);
    if (layer && layer.add === change.add && !this.writer.isWaiting(change)) layer.written = now();
  }

  private tell(): void {
    this.count += 1;
    for (const listener of this.listeners) listener();
  }
}
