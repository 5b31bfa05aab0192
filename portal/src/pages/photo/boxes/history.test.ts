import { expect, test } from "vitest";

import { changed, redone, startedWith, undone } from "./history";

test("what was done is undone and done again, until something else is done", () => {
  const three = changed(changed(changed(startedWith("a"), "b"), "c"), "d");
  const back = undone(undone(three));
  expect(back.present).toBe("b");
  expect(redone(back).present).toBe("c");
  expect(redone(redone(redone(back))).present).toBe("d");
  expect(redone(changed(back, "e")).present).toBe("e");
  expect(undone(undone(undone(undone(three)))).present).toBe("a");
});

test("steps of one movement are one step", () => {
  const moved = ["b", "c", "d"].reduce((history, state) => changed(history, state, "move 1"), startedWith("a"));
  expect(undone(moved).present).toBe("a");
  expect(undone(changed(moved, "e", "move 2")).present).toBe("d");
  expect(undone(changed(undone(changed(moved, "e")), "f", "move 1")).present).toBe("d");
});
