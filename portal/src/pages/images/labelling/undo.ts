/** What was done and can be undone, and what was undone and can be done again. */
import { type Change, inverse } from "./changes";

export interface Step {
  /** In words, such as "Tag 3 photos as rose". */
  label: string;
  changes: readonly Change[];
}

const DEPTH = 500;

export class UndoStack {
  private done: readonly Step[] = [];
  private undone: readonly Step[] = [];

  /** The step that `undo` would take back. */
  get last(): Step | undefined {
    return this.done.at(-1);
  }

  get next(): Step | undefined {
    return this.undone.at(-1);
  }

  did(step: Step): void {
    if (step.changes.length === 0) return;
    this.done = [...this.done.slice(-(DEPTH - 1)), step];
    this.undone = [];
  }

  /** The changes that take the last step back; none if there is no step. */
  undo(): readonly Change[] {
    const step = this.last;
    if (!step) return [];
    this.done = this.done.slice(0, -1);
    this.undone = [...this.undone, step];
    return inverse(step.changes);
  }

  redo(): readonly Change[] {
    const step = this.next;
    if (!step) return [];
    this.undone = this.undone.slice(0, -1);
    this.done = [...this.done, step];
    return step.changes;
  }

  /** Forget photos that are no more, or a tag. */
  forget(isGone: (change: Change) => boolean): void {
    const kept = (steps: readonly Step[]): Step[] =>
      steps
        .map((step) => ({ ...step, changes: step.changes.filter((change) => !isGone(change)) }))
        .filter((step) => step.changes.length > 0);
    this.done = kept(this.done);
    this.undone = kept(this.undone);
  }
}
