import { expect, test } from "vitest";

import { colourOfHue, hueOf, orderTags, tagColour } from "./tagColour";

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((start) => {
    const share = parseInt(colour.slice(start, start + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

test("white text on any tag's colour has a contrast of 4.5", () => {
  for (let hue = 0; hue < 360; hue += 1) {
    expect(1.05 / (luminance(colourOfHue(hue)) + 0.05), `hue ${hue}`).toBeGreaterThanOrEqual(4.5);
  }
});

test("a tag keeps its colour, others mostly have another", () => {
  const ids = Array.from({ length: 30 }, () => crypto.randomUUID());
  expect(tagColour("a")).toBe(tagColour("a"));
  expect(tagColour("a")).toMatch(/^#[0-9a-f]{6}$/);
  expect(new Set(ids.map(hueOf)).size).toBeGreaterThan(20);
});

test("the tags of a project have hues that differ", () => {
  const ids = Array.from({ length: 8 }, () => crypto.randomUUID());
  orderTags(ids);
  const hues = ids.map(hueOf).sort((one, other) => one - other);
  const gaps = hues.map((hue, place) => ((hues[(place + 1) % hues.length] ?? 0) - hue + 360) % 360);
  expect(Math.min(...gaps)).toBeGreaterThan(25);
});
