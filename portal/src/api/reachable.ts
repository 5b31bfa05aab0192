/** Waiting for a server that does not answer. */
const PROBE_MS = 1000;

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
