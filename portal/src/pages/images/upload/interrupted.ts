/** An upload that a reload of the page ended: the browser gives the files of a drop to one page only. */
import type { UploadQueue } from "./queue";

export interface Interrupted {
  done: number;
  total: number;
}

const nameOf = (project: string): string => `dahlia.upload.${project}`;

/** Remember how far an upload is, until it ends. */
export function remember(project: string, queue: UploadQueue): void {
  if (queue.phase === "idle") return forget(project);
  const open = queue.counted("waiting") + queue.counted("sending");
  const far: Interrupted = { done: queue.items.length - open, total: queue.items.length };
  sessionStorage.setItem(nameOf(project), JSON.stringify(far));
}

export function interrupted(project: string): Interrupted | null {
  const kept = sessionStorage.getItem(nameOf(project));
  return kept === null ? null : (JSON.parse(kept) as Interrupted);
}

export function forget(project: string): void {
  sessionStorage.removeItem(nameOf(project));
}
