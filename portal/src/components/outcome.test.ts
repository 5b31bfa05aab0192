import { describe, expect, it } from "vitest";

import type { Schemas } from "@/api/client";

import { outcomeOf } from "./outcome";

const ONE = { isDetection: false, isMultilabel: false };
const SEVERAL = { isDetection: false, isMultilabel: true };
const BOXES = { isDetection: true, isMultilabel: false };

function said(tagName: string, probability: number, tagType: Schemas["TagType"] = "Regular"): Schemas["Prediction"] {
  return { tagId: tagName, tagName, probability, tagType };
}

describe("the sentence of a classifier", () => {
  it("names the tag that is likely", () => {
    expect(outcomeOf([said("rose", 0.07), said("daisy", 0.93)], ONE)).toBe("daisy, 93 %");
  });
  it("says none of these for the negative tag, and with what the tags leave to 1", () => {
    expect(outcomeOf([said("Negative", 0.8, "Negative")], ONE)).toBe("None of these, 80 %");
    expect(outcomeOf([said("dahlia", 0.002), said("daisy", 0.001)], ONE)).toBe("None of these, 100 %");
    expect(outcomeOf([said("daisy", 0.2), said("rose", 0.1)], ONE)).toBe("None of these, 70 %");
  });
  it("is not sure where neither a tag nor none of them has a half", () => {
    expect(outcomeOf([said("daisy", 0.4), said("rose", 0.35)], ONE)).toBe("Not sure: most likely daisy, 40 %");
    expect(outcomeOf([said("red", 0.4), said("round", 0.4)], SEVERAL)).toBe("Not sure: most likely red, 40 %");
  });
  it("names all likely tags where several may apply, and says none of these where none does", () => {
    expect(outcomeOf([said("red", 0.9), said("round", 0.8), said("old", 0.1)], SEVERAL)).toBe("red, 90 %; round, 80 %");
    expect(outcomeOf([said("red", 0.2), said("round", 0.1)], SEVERAL)).toBe("None of these, 72 %");
  });
});

it("counts boxes from the threshold on", () => {
  const boxes = [said("bolt", 0.9), said("bolt", 0.5), said("nut", 0.2)];
  expect(outcomeOf(boxes, BOXES)).toBe("2 × bolt");
  expect(outcomeOf(boxes, BOXES, 0.95)).toBe("Nothing found");
});
