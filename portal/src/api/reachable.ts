/** A server that does not answer: who wants to know of it, and waiting for it. */
const PROBE_MS = 1000;
const listeners = new Set<() => void>();

/** Calls a listener for each request that did not reach the server; the result ends that. */
export function onUnreachable(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function tellUnreachable(): void {
  for (const listener of listeners) listener();
}

export async function isReachable(): Promise<boolean> {
  const answer = await fetch("/healthz", { cache: "no-store" }).catch(() => null);
  return answer?.ok === true;
}

/** Ends when the server answers again, or the signal is given. */
export async function untilReachable(signal?: AbortSignal): Promise<void> {
  do {
    await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
  } while (!signal?.aborted && !(await isReachable()));
}
