/** Rows of the table of tags for photos that are judged at the report's setting only. */
import { figureOf } from "./figure";
import type { Reported, TagRow } from "./live";

export function staticRows(reported: Reported): TagRow[] {
  return reported.tags.map((one) => {
    const averagePrecision = one.averagePrecision.get(reported.overlap);
    return {
      tag: one.tag,
      tagId: one.tag,
      negative: one.negative,
      photos: one.photos,
      boxes: one.boxes,
      recommended: null,
      precision: figureOf(one.precision, reported.confidence),
      recall: figureOf(one.recall, reported.confidence),
      averagePrecision: averagePrecision ? figureOf(averagePrecision, reported.confidence) : { value: null },
    };
  });
}
