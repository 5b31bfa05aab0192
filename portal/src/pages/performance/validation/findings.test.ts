import { expect, test } from "vitest";

import type { Schemas } from "@/api/client";

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
