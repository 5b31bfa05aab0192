/** What the common parts of the page need to know of a classifier's evaluation. */
import { texts } from "@/texts";

import { type CellTag, type TagOutcome, takenFor, withOutcome } from "../confusion/cells";
import type { Confusions } from "../confusion/ConfusionSection";
import type { Reported } from "../figures/live";
import type { Classified } from "../useEvaluation";

export function reportedOf(evaluation: Classified, set = evaluation.heldOut): Reported {
  const recommended = new Map(evaluation.thresholds.map(({ tag, threshold }) => [tag, threshold]));
  const { precision, recall, ap } = set.overall;
  return {
    threshold: evaluation.threshold,
    overlap: null,
    confidence: evaluation.confidence,
    precision,
    recall,
    averagePrecision: new Map([[null, ap]]),
    tags: set.tags.map((one) => ({
      tag: one.tag,
      negative: one.negative,
      photos: one.positives,
      boxes: null,
      precision: one.precision,
      recall: one.recall,
      averagePrecision: new Map([[null, one.ap]]),
      recommended: recommended.get(one.tag) ?? null,
    })),
  };
}

/** Of multilabel's counts: true negatives, false positives, false negatives, true positives. */
const OUTCOMES: readonly [TagOutcome, number][] = [["hit", 3], ["missed", 2], ["alarm", 1], ["rejected", 0]];

/**
 * What was taken for what: a matrix of tags, or for photos with several tags what became of each tag.
 *
 * @param tags the iteration's; null where the photos are not on the server.
 */
export function confusionsOf(
  evaluation: Classified,
  set: Classified["heldOut"],
  tags: ReadonlyMap<string, CellTag> | null,
): Confusions {
  return evaluation.classification === "multiclass"
    ? ofOneTag(evaluation, set, tags)
    : ofSeveralTags(evaluation, set, tags);
}

function ofOneTag(
  { tags: names }: Classified,
  { confusion: { counts } }: Classified["heldOut"],
  tags: ReadonlyMap<string, CellTag> | null,
): Confusions {
  const said = texts.performance;
  const isRight = (row: number, column: number): boolean => row === column;
  const text = (count: number, row: number, column: number): string =>
    isRight(row, column)
      ? said.cellRight(count, names[row] ?? "", false)
      : said.cell(count, names[row] ?? "", names[column] ?? "", false);
  return {
    note: tags ? said.confusionNote : "",
    rows: names,
    columns: names,
    rowsName: said.trueTag,
    columnsName: said.foundTag,
    counts,
    isRight,
    text,
    ...(tags && {
      cell: (row, column) => {
        const count = counts[row]?.[column] ?? 0;
        const search = takenFor(tagOf(tags, names[row]), tagOf(tags, names[column]));
        return { place: `${row} ${column}`, title: text(count, row, column), count, search };
      },
    }),
  };
}

function ofSeveralTags(
  { tags: names, threshold }: Classified,
  { confusion }: Classified["heldOut"],
  tags: ReadonlyMap<string, CellTag> | null,
): Confusions {
  const said = texts.performance;
  const counts = confusion.counts.map((line) => OUTCOMES.map(([, place]) => line[place] ?? 0));
  const text = (count: number, row: number, column: number): string =>
    said.outcome[outcomeOf(column)](count, names[row] ?? "");
  return {
    note: tags ? said.confusionOfTags(threshold) : "",
    rows: names,
    columns: OUTCOMES.map(([outcome]) => said.outcomes[outcome]),
    rowsName: said.tag,
    columnsName: said.became,
    counts,
    isRight: (_, column) => ["hit", "rejected"].includes(outcomeOf(column)),
    text,
    ...(tags && {
      cell: (row, column) => {
        const count = counts[row]?.[column] ?? 0;
        const search = withOutcome(tagOf(tags, names[row]), outcomeOf(column), threshold);
        return { place: `${row} ${column}`, title: text(count, row, column), count, search };
      },
    }),
  };
}

function outcomeOf(column: number): TagOutcome {
  return OUTCOMES[column]?.[0] ?? "hit";
}

function tagOf(tags: ReadonlyMap<string, CellTag>, name = ""): CellTag {
  return tags.get(name) ?? { id: name, name };
}
