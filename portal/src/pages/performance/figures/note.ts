/** What the bands of the shown figures are. */
import { texts } from "@/texts";

import type { Setting } from "../useEvaluation";
import type { Figures } from "./live";

/** @param shown undefined while the figures are loaded. */
export function noteOf(
  shown: Pick<Figures, "precision" | "recall"> | undefined,
  { threshold, overlap, confidence }: Setting & { confidence: number },
): string {
  const said = texts.performance;
  if (!shown) return said.heldOutNote;
  const isSpread = [shown.precision, shown.recall].some(({ deviation }) => deviation !== undefined);
  if (!isSpread) return `${said.heldOutNote} ${said.intervalNote(confidence)}`;
  const at = overlap === null ? said.atThresholdOf(threshold) : said.atThresholdAndOverlap(threshold, overlap);
  return `${said.heldOutNote} ${said.foldNote(at)}`;
}
