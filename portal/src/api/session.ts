/** The key of this tab: kept until the tab closes, and sent with each request. */
import { useSyncExternalStore } from "react";

const NAME = "dahlia.key";
const listeners = new Set<() => void>();
let refused = false;

export function currentKey(): string | null {
  return sessionStorage.getItem(NAME);
}

/** Whether this tab was signed out because the server took its key no more. */
export function wasRefused(): boolean {
  return refused;
}

export function signIn(key: string): void {
  sessionStorage.setItem(NAME, key);
  refused = false;
  tell();
}

export function signOut(): void {
  end(false);
}

/** The server takes the key no more: it was revoked, or has ended. */
export function refuse(): void {
  end(true);
}

/** Calls a listener when the tab gets another key, or loses its own. */
export function onKeyChange(listener: () => void): void {
  listeners.add(listener);
}

export function useKey(): string | null {
  return useSyncExternalStore(subscribe, currentKey);
}

function end(isRefused: boolean): void {
  sessionStorage.removeItem(NAME);
  refused = isRefused;
  tell();
}

/** Ends when a key is there, or the signal is given. */
export function untilSignedIn(signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (currentKey() === null && !signal?.aborted) return;
      leave();
      signal?.removeEventListener("abort", look);
      resolve();
    };
    const leave = subscribe(look);
    signal?.addEventListener("abort", look);
    look();
  });
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(): void {
  for (const listener of listeners) listener();
}
