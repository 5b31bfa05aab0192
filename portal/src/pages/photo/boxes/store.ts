/** The boxes of one photo as the page shows them, with what can be undone. */
import { type History, changed, redone, startedWith, undone } from "./history";
import type { Box, Written } from "./plan";
import { type Limits, type RegionCalls, RegionWriter } from "./writer";

export type SaveState = "saved" | "saving" | "lost" | "refused";

export class BoxStore {
  private history: History<readonly Box[]>;
  private readonly writer: RegionWriter;
  private readonly listeners = new Set<() => void>();
  private count = 0;

  constructor(written: readonly Written[], calls: RegionCalls, limits: Limits) {
    this.history = startedWith(written.map(({ box }) => box));
    this.writer = new RegionWriter(written, calls, limits, () => this.tell());
  }

  /** A number that rises with every change, for `useSyncExternalStore`. */
  readonly version = (): number => this.count;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get boxes(): readonly Box[] {
    return this.history.present;
  }

  get canUndo(): boolean {
    return this.history.past.length > 0;
  }

  get canRedo(): boolean {
    return this.history.future.length > 0;
  }

  /** How many boxes are still to be written. */
  get open(): number {
    return this.writer.open;
  }

  get revision(): number {
    return this.writer.revision;
  }

  get state(): SaveState {
    if (this.writer.isLost) return "lost";
    if (this.writer.problem) return "refused";
    return this.writer.open > 0 ? "saving" : "saved";
  }

  get problem(): Error | null {
    return this.writer.problem;
  }

  /** @param kind of the change: changes of one kind in a row are undone together. */
  change(boxes: readonly Box[], kind: string | null = null): void {
    this.history = changed(this.history, boxes, kind);
    this.writer.want(boxes);
  }

  undo(): void {
    this.history = undone(this.history);
    this.writer.want(this.boxes);
  }

  redo(): void {
    this.history = redone(this.history);
    this.writer.want(this.boxes);
  }

  flush(): Promise<void> {
    return this.writer.flush();
  }

  retry(): Promise<void> {
    return this.writer.retry();
  }

  /** Take over what the server had at a revision, such as what another tab drew. */
  adopt(written: readonly Written[], revision: number): void {
    const known = this.boxes.filter(({ tagId }) => tagId !== null);
    const isSame =
      known.length === written.length && written.every(({ box }) => known.some((one) => isAlike(one, box)));
    if (isSame || !this.writer.adopt(written, revision)) return;
    this.history = startedWith([
      ...written.map(({ box }) => box),
      ...this.boxes.filter(({ tagId }) => tagId === null),
    ]);
    this.tell();
  }

  private tell(): void {
    this.count += 1;
    for (const listener of this.listeners) listener();
  }
}

const NEAR = 1e-3;

function isAlike(one: Box, other: Box): boolean {
  const edges = ["left", "top", "width", "height"] as const;
  return one.tagId === other.tagId && edges.every((edge) => Math.abs(one[edge] - other[edge]) < NEAR);
}
