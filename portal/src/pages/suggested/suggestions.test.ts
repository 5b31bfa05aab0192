import { expect, test } from "vitest";

import { type Suggestion, boxesFrom, grouped, likeliest, meantTags, regionsOf } from "./suggestions";

const photo = (id: string, ...predictions: [string, number, string?][]): Suggestion => ({
  id,
  project: "p",
  iteration: "i",
  created: "",
  domain: "d",
  width: 10,
  height: 10,
  originalImageUri: "",
  resizedImageUri: "",
  thumbnailUri: "",
  predictionUncertainty: 0,
  asked: 0,
  predictions: predictions.map(([tagName, probability, tagType]) => ({
    tagId: `id of ${tagName}`,
    tagName,
    probability,
    tagType: tagType === "Negative" ? "Negative" : "Regular",
    boundingBox: { left: 0.1, top: 0.2, width: 0.3, height: 0.4 },
  })),
});

test("photos are grouped by their likeliest tag, the largest group first, unlikely tags last", () => {
  const photos = [photo("1", ["rose", 0.4], ["daisy", 0.6]), photo("2", ["rose", 0.9]), photo("3", ["rose", 0.8])];
  const groups = grouped([photo("5", ["rose", 0.02]), ...photos, photo("4")]);
  expect(groups.map(({ tag, suggestions }) => [tag?.name, suggestions.map(({ id }) => id)])).toEqual([
    ["rose", ["2", "3"]],
    ["daisy", ["1"]],
    [undefined, ["5"]],
  ]);
  expect(likeliest(photo("4"))).toBeUndefined();
});

test("a photo gets one tag, or all that are meant where there may be several", () => {
  const several = photo("1", ["rose", 0.6], ["daisy", 0.8], ["tulip", 0.2], ["none", 0.55, "Negative"]);
  expect(meantTags(several, false).map(({ tagName }) => tagName)).toEqual(["daisy"]);
  expect(meantTags(several, true).map(({ tagName }) => tagName)).toEqual(["daisy", "rose"]);
  expect(meantTags(photo("2", ["rose", 0.3], ["daisy", 0.2]), true).map(({ tagName }) => tagName)).toEqual(["rose"]);
  const nothing = photo("3", ["none", 0.9, "Negative"], ["rose", 0.6]);
  expect(meantTags(nothing, true).map(({ tagName }) => tagName)).toEqual(["none"]);
});

test("boxes from a probability on become regions", () => {
  const found = boxesFrom(photo("1", ["rose", 0.5], ["daisy", 0.9], ["rose", 0.3]), 0.5);
  expect(found.map(({ tagName }) => tagName)).toEqual(["daisy", "rose"]);
  expect(regionsOf("1", found)[0]).toEqual({
    imageId: "1",
    tagId: "id of daisy",
    left: 0.1,
    top: 0.2,
    width: 0.3,
    height: 0.4,
  });
});
