/** The order of the table of tags. */
import type { TagRow } from "../figures/live";

export type Column = "tag" | "precision" | "recall" | "averagePrecision" | "photos" | "boxes" | "recommended";

export interface Order {
  column: Column;
  descending: boolean;
}

/** The tags that are recognised worst, whatever the threshold, come first. */
export const WEAKEST_FIRST: Order = { column: "averagePrecision", descending: false };

/** Rows in an order; what is not defined comes last, and equal rows by name. */
export function sorted(rows: readonly TagRow[], { column, descending }: Order): TagRow[] {
  const sign = descending ? -1 : 1;
  return [...rows].sort((one, other) => {
    const by = column === "tag" ? 0 : compare(valueOf(one, column), valueOf(other, column), sign);
    const names = one.tag.localeCompare(other.tag);
    return by || (column === "tag" ? sign * names : names);
  });
}

/** The order after a click on a column's title: by it, and at the next click the other way round. */
export function clicked(order: Order, column: Column): Order {
  return { column, descending: order.column === column && !order.descending };
}

function valueOf(row: TagRow, column: Exclude<Column, "tag">): number | null {
  const value = row[column];
  return typeof value === "object" && value !== null ? value.value : value;
}

function compare(one: number | null, other: number | null, sign: number): number {
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  return sign * (one - other);
}
