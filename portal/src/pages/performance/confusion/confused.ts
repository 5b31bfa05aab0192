/** The confusions of a matrix that is too large to be shown. */

export interface Confused {
  row: number;
  column: number;
  count: number;
}

/** What is wrong, most often first; at most so many. */
export function confused(
  counts: readonly (readonly number[])[],
  isRight: (row: number, column: number) => boolean,
  most: number,
): Confused[] {
  return counts
    .flatMap((line, row) => line.map((count, column) => ({ row, column, count })))
    .filter(({ row, column, count }) => count > 0 && !isRight(row, column))
    .sort((one, other) => other.count - one.count || one.row - other.row || one.column - other.column)
    .slice(0, most);
}
