/** Filters of stored predictions as the server's query has them. */
import type { Schemas } from "@/api/client";

export interface Filters {
  iterationId: string | null;
  tagId: string | null;
  /** Probabilities of the tag, 0 to 1. */
  range: [number, number];
  /** Of the browser's clock, as `datetime-local` fields have it; empty for any. */
  since: string;
  until: string;
  order: Schemas["OrderBy"];
}

export const ALL: Filters = {
  iterationId: null,
  tagId: null,
  range: [0, 1],
  since: "",
  until: "",
  order: "Suggested",
};

export function queryOf(filters: Filters, maxCount: number): Schemas["PredictionQuery"] {
  const [minThreshold, maxThreshold] = filters.range;
  return {
    orderBy: filters.order,
    maxCount,
    iterationId: filters.iterationId,
    startTime: momentOf(filters.since),
    endTime: momentOf(filters.until),
    tags: filters.tagId ? [{ id: filters.tagId, minThreshold, maxThreshold }] : [],
  };
}

export function isFiltered(filters: Filters): boolean {
  return Boolean(filters.iterationId ?? filters.tagId) || filters.since !== "" || filters.until !== "";
}

/** Parts of at most so many. */
export function inParts<T>(all: readonly T[], most: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / most) }, (_, part) => all.slice(part * most, (part + 1) * most));
}

function momentOf(local: string): string | null {
  const moment = new Date(local);
  return local === "" || Number.isNaN(moment.getTime()) ? null : moment.toISOString();
}
