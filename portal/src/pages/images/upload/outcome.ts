/** What became of the photos of an upload, in words. */
import { texts } from "@/texts";

import type { Item, State, UploadQueue } from "./queue";

const MENTIONED: ReadonlySet<State> = new Set(["refused", "failed", "duplicate"]);

export interface Outcome {
  /** How many were added, were there already, and so on. */
  told: string;
  /** Files that were not added, each with its reason. */
  mentioned: { name: string; reason: string | null }[];
}

export function outcomeOf(queue: UploadQueue): Outcome {
  const { items, leftOut } = queue;
  const shrunk = items.filter((item) => item.wasShrunk && item.state === "added").length;
  const told = [
    [queue.counted("added"), texts.upload.added],
    [queue.counted("duplicate"), texts.upload.duplicates],
    [queue.counted("refused") + leftOut.length, texts.upload.refused],
    [queue.counted("failed"), texts.upload.failed],
    [queue.counted("cancelled"), texts.upload.cancelled],
    [shrunk, texts.upload.shrunk],
  ] as const;
  return {
    told: told
      .filter(([count]) => count > 0)
      .map(([count, say]) => say(count))
      .join(" "),
    mentioned: [...leftOut, ...items.filter((item) => MENTIONED.has(item.state)).map(mentionOf)],
  };
}

function mentionOf({ entry, reason, state }: Item): Outcome["mentioned"][number] {
  return {
    name: [...entry.folders, entry.name].join("/"),
    reason: state === "duplicate" ? texts.upload.isDuplicate : reason,
  };
}
