import { expect, test } from "vitest";

import type { Schemas } from "@/api/client";

import { boxesTakenFor, takenFor, withOutcome } from "./cells";

type Photo = Schemas["ImagePerformance"];
const rose = { id: "r", name: "rose" };
const lily = { id: "l", name: "lily" };

function photo(tag: string | null, said: [string, number][]): Photo {
  return {
    id: "photo",
    created: "",
    width: 10,
    height: 10,
    imageUri: "",
    thumbnailUri: "",
    tags: tag ? [{ tagId: tag, tagName: tag, created: "" }] : [],
    regions: [],
    predictions: said.map(([tagId, probability]) => ({ tagId, tagName: tagId, tagType: "Regular", probability })),
  };
}

test("a photo belongs to the cell of its tag and of the most probable one", () => {
  const { tagIds, match } = takenFor(rose, lily);
  expect(tagIds).toEqual(["r"]);
  expect(match(photo("r", [["l", 0.6], ["r", 0.4]]))).not.toBeNull();
  expect(match(photo("r", [["r", 0.6], ["l", 0.4]]))).toBeNull();
  expect(match(photo("l", [["l", 0.6], ["r", 0.4]]))).toBeNull();
  expect(match(photo("r", []))).toBeNull();
});

test("each photo has one outcome of a tag, and the threshold counts as reached", () => {
  const among = (shown: Photo): string[] =>
    (["hit", "missed", "alarm", "rejected"] as const).filter((one) => withOutcome(rose, one, 0.5).match(shown));
  expect(among(photo("r", [["r", 0.5]]))).toEqual(["hit"]);
  expect(among(photo("r", [["r", 0.4]]))).toEqual(["missed"]);
  expect(among(photo("l", [["r", 0.9]]))).toEqual(["alarm"]);
  expect(among(photo(null, [["r", 0.1]]))).toEqual(["rejected"]);
  expect(withOutcome(rose, "alarm", 0.5).tagIds).toEqual([]);
});

test("boxes of a cell are counted and shown, the drawn one and the found one", () => {
  const place = { left: 0, top: 0, width: 0.5, height: 0.5 };
  const shown: Photo = {
    ...photo(null, []),
    regions: [{ regionId: "1", tagId: "r", tagName: "rose", created: "", ...place }],
    predictions: [{ tagId: "l", tagName: "lily", tagType: "Regular", probability: 0.8, boundingBox: place }],
  };
  const known = [rose, lily];
  const swapped = boxesTakenFor(rose, lily, 0.5, 0.3, known).match(shown);
  expect(swapped?.count).toBe(1);
  expect(swapped?.boxes.map(({ tagName, dashed }) => [tagName, dashed])).toEqual([["rose", undefined], ["lily", true]]);
  expect(boxesTakenFor(rose, null, 0.5, 0.3, known).match(shown)).toBeNull();
  expect(boxesTakenFor(rose, null, 0.9, 0.3, known).match(shown)?.count).toBe(1);
  expect(boxesTakenFor(null, lily, 0.5, 0.3, [lily]).match(shown)?.count).toBe(1);
});
