import { describe, expect, it } from "vitest";

import type { Schemas } from "@/api/client";

import { outcomeOfBoxes, outcomeOfTags } from "./outcome";

function said(tagName: string, probability: number, tagType: Schemas["TagType"] = "Regular"): Schemas["Prediction"] {
  return { tagId: tagName, tagName, probability, tagType };
}

describe("the sentence of a classifier", () => {
  it("names the tag that is likely", () => {
    expect(outcomeOfTags([said("rose", 0.07), said("daisy", 0.93)], false)).toBe("daisy, 93 %");
  });
  it("says none of these for the negative tag, and for a photo that no tag applies to", () => {
    expect(outcomeOfTags([said("Negative", 0.8, "Negative")], false)).toContain("None of these");
    expect(outcomeOfTags([said("daisy", 0.9)], false, 0.7)).toContain("None of these");
    expect(outcomeOfTags([said("daisy", 0.2)], true)).toContain("None of these");
  });
  it("is not sure below a half", () => {
    expect(outcomeOfTags([said("daisy", 0.4), said("rose", 0.35)], false)).toContain("Not sure");
  });
  it("names all likely tags where several may apply", () => {
    expect(outcomeOfTags([said("red", 0.9), said("round", 0.8), said("old", 0.1)], true)).toBe("red, 90 %; round, 80 %");
  });
});

it("counts boxes from the threshold on", () => {
  const boxes = [said("bolt", 0.9), said("bolt", 0.5), said("nut", 0.2)];
  expect(outcomeOfBoxes(boxes, 0.5)).toBe("2 × bolt");
  expect(outcomeOfBoxes(boxes, 0.95)).toContain("Nothing");
});
