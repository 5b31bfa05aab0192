/** The key of this tab: kept until the tab closes, and sent with each request. */
import { useSyncExternalStore } from "react";

const NAME = "dahlia.key";
const listeners = new Set<() => void>();

export function currentKey(): string | null {
  return sessionStorage.getItem(NAME);
}

export function signIn(key: string): void {
  sessionStorage.setItem(NAME, key);
  tell();
}

export function signOut(): void {
  sessionStorage.removeItem(NAME);
  tell();
}

export function useKey(): string | null {
  return useSyncExternalStore(subscribe, currentKey);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(): void {
  for (const listener of listeners) listener();
}
