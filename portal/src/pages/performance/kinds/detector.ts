/** What the common parts of the page need to know of a detector's evaluation. */
import { texts } from "@/texts";

import { type CellTag, boxesTakenFor } from "../confusion/cells";
import type { Confusions } from "../confusion/ConfusionSection";
import type { Reported } from "../figures/live";
import type { Detected } from "../useEvaluation";

export function reportedOf(evaluation: Detected, set = evaluation.heldOut): Reported {
  const recommended = new Map(evaluation.thresholds.map(({ tag, threshold }) => [tag, threshold]));
  const { precision, recall, ap, map30, map50 } = set.overall;
  return {
    threshold: evaluation.threshold,
    overlap: evaluation.overlap,
    confidence: evaluation.confidence,
    precision,
    recall,
    averagePrecision: new Map([[evaluation.overlap, ap], [0.3, map30], [0.5, map50]]),
    tags: set.tags.map((one) => ({
      tag: one.tag,
      negative: false,
      photos: one.images,
      boxes: one.boxes,
      precision: one.precision,
      recall: one.recall,
      averagePrecision: new Map([[evaluation.overlap, one.ap], [0.3, one.ap30], [0.5, one.ap50]]),
      recommended: recommended.get(one.tag) ?? null,
    })),
  };
}

/**
 * Which boxes were taken for what, missed, or found where nothing is drawn.
 *
 * @param tags the iteration's; null where the photos are not on the server.
 */
export function confusionsOf(
  { tags: names, threshold, overlap }: Detected,
  { confusion: { counts } }: Detected["heldOut"],
  tags: ReadonlyMap<string, CellTag> | null,
): Confusions {
  const said = texts.performance;
  const none = names.length;
  const text = (count: number, row: number, column: number): string => {
    const [truth, found] = [names[row] ?? "", names[column] ?? ""];
    if (row === none) return said.cellInvented(count, found);
    if (column === none) return said.cellMissed(count, truth);
    return row === column ? said.cellRight(count, truth, true) : said.cell(count, truth, found, true);
  };
  return {
    note: tags ? said.confusionOfBoxes(threshold, overlap) : "",
    rows: [...names, said.nothingThere],
    columns: [...names, said.missed],
    rowsName: said.drawnTag,
    columnsName: said.foundTag,
    counts,
    isRight: (row, column) => row === column && row !== none,
    text,
    ...(tags && {
      cell: (row, column) => {
        const count = counts[row]?.[column] ?? 0;
        const [truth, found] = [tags.get(names[row] ?? "") ?? null, tags.get(names[column] ?? "") ?? null];
        const search = boxesTakenFor(truth, found, threshold, overlap, [...tags.values()]);
        return { place: `${row} ${column}`, title: text(count, row, column), count, search };
      },
    }),
  };
}
