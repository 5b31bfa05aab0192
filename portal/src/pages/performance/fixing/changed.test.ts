import { expect, test } from "vitest";

import type { Schemas } from "@/api/client";

import { isBoxFixed, regionOf, sameTags, tagChange } from "./changed";

const place = { left: 0.1, top: 0.1, width: 0.4, height: 0.4 };
const idOf = (tag: string): string => tag;

function image(...regions: [string, typeof place][]): Schemas["Image"] {
  return {
    id: "1",
    created: "",
    width: 10,
    height: 10,
    originalImageUri: "",
    resizedImageUri: "",
    thumbnailUri: "",
    tags: [],
    regions: regions.map(([tagId, at]) => ({ regionId: tagId, tagId, tagName: tagId, created: "", ...at })),
  };
}

function issue(problem: "missing" | "wrong_tag" | "misplaced", given: string | null): Schemas["SuspectBox"] {
  return {
    image: "",
    path: null,
    problem,
    given,
    place: given === null ? null : place,
    suggested: "rose",
    suggestedPlace: place,
    probability: 0.9,
    overlap: null,
    score: 0.1,
  };
}

test("tags are the same in any order", () => {
  expect(sameTags(["a", "b"], ["b", "a"])).toBe(true);
  expect(sameTags(["a"], ["a", "b"])).toBe(false);
  expect(sameTags([], [])).toBe(true);
});

test("only what differs is taken off and put on", () => {
  expect(tagChange(["a", "b"], ["b", "c"])).toEqual({ off: ["a"], on: ["c"] });
});

test("a missing box is fixed when one is drawn there", () => {
  expect(isBoxFixed(issue("missing", null), image(), idOf)).toBe(false);
  expect(isBoxFixed(issue("missing", null), image(["lily", { ...place, left: 0.12 }]), idOf)).toBe(true);
  expect(isBoxFixed(issue("missing", null), image(["rose", { ...place, left: 0.6 }]), idOf)).toBe(false);
});

test("a box with a wrong tag is fixed when it has another one, or is gone", () => {
  const wrong = issue("wrong_tag", "lily");
  expect(isBoxFixed(wrong, image(["lily", place]), idOf)).toBe(false);
  expect(regionOf(wrong, image(["lily", place]), idOf)?.regionId).toBe("lily");
  expect(isBoxFixed(wrong, image(["rose", place]), idOf)).toBe(true);
  expect(isBoxFixed(wrong, image(), idOf)).toBe(true);
});

test("a misplaced box is fixed when it was moved", () => {
  expect(isBoxFixed(issue("misplaced", "rose"), image(["rose", { ...place, left: 0.3 }]), idOf)).toBe(true);
});
