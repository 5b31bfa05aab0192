import { expect, test } from "vitest";

import type { Schemas } from "@/api/client";
import { texts } from "@/texts";

import { grouped } from "./findings";

function finding(code: string, severity: Schemas["Finding"]["severity"], ...names: string[]): Schemas["Finding"] {
  const images = names.map((name) => ({ name, imageId: name, thumbnailUri: null }));
  return { code, severity, expected: "", found: "", whatToDo: "", tags: [], images };
}

test("findings of one kind are one group, with each photo once, the most severe first", () => {
  const groups = grouped([
    finding("small", "advice", "a"),
    finding("alike", "warning", "a", "b"),
    finding("small", "advice", "b", "a"),
    finding("broken", "error", "c"),
  ]);
  expect(groups.map(({ code, images }) => [code, images.map(({ name }) => name)])).toEqual([
    ["broken", ["c"]],
    ["alike", ["a", "b"]],
    ["small", ["a", "b"]],
  ]);
  expect(groups[2]?.findings).toHaveLength(2);
});

test("a group names each tag once, and a title says how many photos or tags it concerns", () => {
  const few = { ...finding("few-images", "advice"), expected: "at least 50 images" };
  const [group] = grouped([
    { ...few, tags: ["rose"] },
    { ...few, tags: ["daisy", "rose"] },
  ]);
  expect(group?.tags).toEqual(["rose", "daisy"]);
  expect(texts.performance.findingTitle("at least 50 images", 0, 2)).toBe("Expected at least 50 images. Not so for 2 tags.");
  expect(texts.performance.findingTitle("images that differ", 1, 2)).toBe("Expected images that differ. Not so for 1 photo.");
});
