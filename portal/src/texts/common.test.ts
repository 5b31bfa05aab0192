import { expect, test } from "vitest";

import { common, counted } from "./common";

test("a count has its noun", () => {
  expect([counted(1, "photo"), counted(0, "photo"), counted(12_000, "photo")]).toEqual([
    "1 photo",
    "0 photos",
    "12,000 photos",
  ]);
  expect(counted(2, "match", "matches")).toBe("2 matches");
});

test("durations are rounded to what people read", () => {
  expect([common.duration(0.2), common.duration(89), common.duration(600)]).toEqual(["1 s", "89 s", "10 min"]);
});
