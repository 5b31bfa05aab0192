/** Milliseconds of a clock that is never set back. */
export function now(): number {
  return performance.now();
}
