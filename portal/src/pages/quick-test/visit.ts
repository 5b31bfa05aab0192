/** The tests of this visit: they stay while one looks at other pages, and are gone when the tab closes. */
import { useSyncExternalStore } from "react";

import type { Schemas } from "@/api/client";

export interface Test {
  id: string;
  /** Of the photo in the browser; null until the server's is known. */
  src: string | null;
  /** What was sent; null for an address. */
  photo: Blob | null;
  url: string | null;
  iterationId: string;
  stored: boolean;
  predictions: Schemas["Prediction"][];
  /** Names of the tags with which it became a training image; null before. */
  corrected: string[] | null;
  /** The training image that it became. */
  imageId: string | null;
}

const MOST = 30;
const NONE: readonly Test[] = [];
const tests = new Map<string, readonly Test[]>();
const listeners = new Set<() => void>();

export function useVisit(project: string): readonly Test[] {
  return useSyncExternalStore(subscribe, () => tests.get(project) ?? NONE);
}

/** Put a test first; the oldest beyond thirty are forgotten. */
export function remember(project: string, test: Test): void {
  const all = [test, ...(tests.get(project) ?? NONE)];
  for (const { src } of all.slice(MOST)) if (src?.startsWith("blob:")) URL.revokeObjectURL(src);
  tests.set(project, all.slice(0, MOST));
  tell();
}

export function change(project: string, id: string, part: Partial<Test>): void {
  const all = tests.get(project) ?? NONE;
  tests.set(
    project,
    all.map((test) => (test.id === id ? { ...test, ...part } : test)),
  );
  tell();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(): void {
  for (const listener of listeners) listener();
}
