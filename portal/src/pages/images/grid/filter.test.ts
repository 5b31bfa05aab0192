import { expect, test } from "vitest";

import { EVERYTHING, addressOf, filterOf, matches } from "./filter";

test("an address says the filter, and the filter the address", () => {
  const filter = { show: "tagged", tagIds: ["a", "b"], iteration: "i", oldest: true } as const;
  expect(filterOf(addressOf(filter))).toEqual(filter);
  expect(addressOf(EVERYTHING).toString()).toBe("");
  expect(filterOf(new URLSearchParams("show=nonsense"))).toEqual(EVERYTHING);
  expect(filterOf(addressOf({ ...EVERYTHING, show: "untagged" })).show).toBe("untagged");
});

test("tags decide whether a photo is shown", () => {
  const none = new Set<string>();
  const one = new Set(["a"]);
  expect(matches({ ...EVERYTHING, show: "untagged" }, none)).toBe(true);
  expect(matches({ ...EVERYTHING, show: "untagged" }, one)).toBe(false);
  expect(matches({ ...EVERYTHING, show: "tagged" }, none)).toBe(false);
  expect(matches({ ...EVERYTHING, show: "tagged", tagIds: ["b", "a"] }, one)).toBe(true);
  expect(matches({ ...EVERYTHING, show: "tagged", tagIds: ["b"] }, one)).toBe(false);
});
