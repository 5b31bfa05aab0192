/** States that can be gone back to. */

export interface History<State> {
  past: readonly State[];
  present: State;
  future: readonly State[];
  /** What the last change was; changes of the same kind in a row are one step. */
  kind: string | null;
}

const DEPTH = 200;

export function startedWith<State>(present: State): History<State> {
  return { past: [], present, future: [], kind: null };
}

/**
 * The history after a change.
 *
 * @param kind of the change; a change that continues another of the same kind makes no step of its own.
 */
export function changed<State>(history: History<State>, present: State, kind: string | null = null): History<State> {
  const isContinued = kind !== null && kind === history.kind;
  const past = isContinued ? history.past : [...history.past.slice(-(DEPTH - 1)), history.present];
  return { past, present, future: [], kind };
}

export function undone<State>(history: History<State>): History<State> {
  const before = history.past.at(-1);
  if (before === undefined) return history;
  return {
    past: history.past.slice(0, -1),
    present: before,
    future: [history.present, ...history.future],
    kind: null,
  };
}

export function redone<State>(history: History<State>): History<State> {
  const [next, ...future] = history.future;
  if (next === undefined) return history;
  return { past: [...history.past, history.present], present: next, future, kind: null };
}
