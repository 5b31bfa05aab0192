import { expect, test } from "vitest";

import { confused } from "./confused";

test("what is wrong comes most often first, what is right and what did not happen is left out", () => {
  const counts = [[9, 1, 0], [4, 8, 1], [0, 0, 7]];
  const found = confused(counts, (row, column) => row === column, 2);
  expect(found).toEqual([{ row: 1, column: 0, count: 4 }, { row: 0, column: 1, count: 1 }]);
});
