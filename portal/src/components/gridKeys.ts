/** Where a key moves the focus of a grid. */

export interface GridShape {
  /** Photos in the grid. */
  count: number;
  columns: number;
  /** Rows that are seen at once. */
  rows: number;
}

/** The place that a key leads to from a place; null if the key does not move. */
export function moved(key: string, from: number, { count, columns, rows }: GridShape, toEdge = false): number | null {
  const last = count - 1;
  if (last < 0) return null;
  const to = target(key, from, last, columns, rows, toEdge);
  return to === null ? null : Math.max(0, Math.min(last, to));
}

function target(
  key: string,
  from: number,
  last: number,
  columns: number,
  rows: number,
  toEdge: boolean,
): number | null {
  const start = from - (from % columns);
  switch (key) {
    case "ArrowLeft":
      return from - 1;
    case "ArrowRight":
      return from + 1;
    case "ArrowUp":
      return from < columns ? from : from - columns;
    case "ArrowDown":
      return from + columns > last ? Math.max(from, last) : from + columns;
    case "PageUp":
      return Math.max(from % columns, from - columns * Math.max(1, rows));
    case "PageDown":
      return from + columns * Math.max(1, rows);
    case "Home":
      return toEdge ? 0 : start;
    case "End":
      return toEdge ? last : start + columns - 1;
    default:
      return null;
  }
}
