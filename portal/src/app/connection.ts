/** Whether the server answers: a request that did not reach it raises a suspicion, and a probe decides. */
import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";

import { isReachable, onUnreachable, untilReachable } from "@/api/reachable";

let lost = false;
let probing = false;
const listeners = new Set<() => void>();

/** Find out whether the server answers; if not, it is asked until it does. */
export function suspectLoss(): void {
  if (probing) return;
  probing = true;
  void probe().finally(() => (probing = false));
}

export function useServerLost(): boolean {
  return useSyncExternalStore(subscribe, () => lost);
}

/**
 * Watch all requests from now on.
 *
 * @param queries are asked again when the server answers again.
 * @param found is called then.
 */
export function watchConnection(queries: QueryClient, found: () => void): void {
  onUnreachable(suspectLoss);
  window.addEventListener("offline", suspectLoss);
  subscribe(() => {
    if (lost) return;
    found();
    void queries.invalidateQueries();
  });
}

async function probe(): Promise<void> {
  if (await isReachable()) return;
  set(true);
  await untilReachable();
  set(false);
}

function set(value: boolean): void {
  lost = value;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
