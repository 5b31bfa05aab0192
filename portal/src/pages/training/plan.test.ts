import { expect, test } from "vitest";

import type { Schemas } from "@/api/client";

import { isPossible, planOf, rulesOf } from "./plan";

const classifier = rulesOf({ minTags: 2, minImagesPerTag: 5 }, false, null);
const detector = rulesOf({ minBoxedImagesPerTag: 15 }, true, 20);

function tag(id: string, imageCount: number, type: Schemas["TagType"] = "Regular"): Schemas["Tag"] {
  return { id, name: id, description: "", type, imageCount };
}

test("all tags are trained, and none is named, so that a repeated training is recognised", () => {
  const plan = planOf([tag("rose", 5), tag("tulip", 9), tag("new", 0)], new Set(), classifier);
  expect(plan).toMatchObject({ selected: [], photos: 14, few: [], missingTags: 0 });
  expect(isPossible(plan)).toBe(true);
});

test("each tag with too few photos says how many are missing", () => {
  const plan = planOf([tag("rose", 3), tag("tulip", 4), tag("daisy", 5)], new Set(), classifier);
  expect(plan.few.map((one) => [one.tag.name, one.missing])).toEqual([["rose", 2], ["tulip", 1]]);
  expect(isPossible(plan)).toBe(false);
});

test("a tag that is left out no longer stands in the way, and the others are named", () => {
  const plan = planOf([tag("rose", 3), tag("tulip", 6), tag("daisy", 5)], new Set(["rose"]), classifier);
  expect(plan.selected).toEqual(["tulip", "daisy"]);
  expect(isPossible(plan)).toBe(true);
});

test("a classifier needs two tags, a detector one with fifteen photos", () => {
  expect(planOf([tag("rose", 5)], new Set(), classifier).missingTags).toBe(1);
  expect(isPossible(planOf([tag("cup", 15)], new Set(), detector))).toBe(true);
  expect(planOf([tag("cup", 14)], new Set(), detector).few[0]?.missing).toBe(1);
  expect(planOf([], new Set(), detector).missingTags).toBe(1);
});

test("photos with several tags are counted once", () => {
  const tags = [tag("cup", 15), tag("plate", 18)];
  expect(planOf(tags, new Set(), detector).photos).toBe(20);
  expect(planOf(tags, new Set(["cup"]), detector).photos).toBeNull();
  expect(planOf(tags, new Set(["cup"]), classifier).photos).toBe(18);
});

test("a detector does not learn the negative tag, a classifier does", () => {
  const tags = [tag("cup", 15), tag("none", 20, "Negative")];
  expect(planOf(tags, new Set(), detector).selected).toEqual(["cup"]);
  expect(planOf(tags, new Set(), classifier)).toMatchObject({ selected: [], missingTags: 0 });
});
