import { expect, test } from "vitest";

import {
  at,
  between,
  cut,
  fitted,
  keyStep,
  middle,
  moved,
  overlap,
  panned,
  resized,
  sameRect,
  toFractions,
  toPhoto,
  toPixels,
  zoomed,
} from "./geometry";

const photo = { width: 400, height: 300 };
const box = { left: 10, top: 20, width: 100, height: 50 };

test("a box is drawn from any corner, and ends at the photo's edge", () => {
  expect(between({ x: 110, y: 70 }, { x: 10, y: 20 }, photo)).toEqual(box);
  expect(between({ x: 350, y: -40 }, { x: 900, y: 60 }, photo)).toEqual({ left: 350, top: 0, width: 50, height: 60 });
});

test("moving and resizing stop at the edge, and a box keeps a pixel", () => {
  expect(moved(box, { x: -50, y: 900 }, photo)).toEqual({ ...box, left: 0, top: 250 });
  expect(resized(box, { x: 900, y: -900 }, photo)).toEqual({ ...box, width: 390, height: 1 });
  expect(cut({ left: -5, top: 290, width: 20, height: 40 }, photo)).toEqual({ left: 0, top: 290, width: 15, height: 10 });
  expect(cut({ left: 500, top: 0, width: 10, height: 10 }, photo)).toEqual({ left: 399, top: 0, width: 1, height: 10 });
});

test("fractions end within the photo and come back as they were", () => {
  const edge = { left: 133.3, top: 0.1, width: 266.7, height: 299.9 };
  const fractions = toFractions(edge, photo);
  expect(fractions.left + fractions.width).toBeLessThanOrEqual(1);
  expect(fractions.top + fractions.height).toBeLessThanOrEqual(1);
  expect(sameRect(toPixels(fractions, photo), edge)).toBe(true);
});

test("of nested boxes, a point means the smallest", () => {
  const inner = { left: 20, top: 30, width: 10, height: 10 };
  expect(at([inner, box], { x: 25, y: 35 })).toBe(inner);
  expect(at([inner, box], { x: 60, y: 35 })).toBe(box);
  expect(at([inner, box], { x: 300, y: 35 })).toBeUndefined();
});

test("overlap", () => {
  expect(overlap(box, box)).toBe(1);
  expect(overlap(box, moved(box, { x: 50, y: 0 }, photo))).toBeCloseTo(1 / 3);
  expect(overlap(box, moved(box, { x: 200, y: 0 }, photo))).toBe(0);
});

test("the photo fits, and zooming keeps the point under the pointer", () => {
  const stage = { width: 816, height: 616 };
  const view = fitted(photo, stage);
  expect(view).toEqual({ scale: 2, x: 8, y: 8 });
  const pointer = { x: 300, y: 200 };
  const closer = zoomed(view, 3, pointer, view.scale);
  expect(toPhoto(closer, pointer)).toEqual(toPhoto(view, pointer));
  expect(zoomed(closer, 0.001, pointer, view.scale).scale).toBe(2);
  expect(panned(view, { x: -9000, y: 9000 }, photo, stage)).toEqual({ scale: 2, x: 408 - 800, y: 308 });
});

test("keys move by a pixel of small photos, by more of large ones", () => {
  expect(keyStep(photo, false)).toBe(1);
  expect(keyStep({ width: 6000, height: 4000 }, false)).toBe(20);
  expect(keyStep({ width: 6000, height: 4000 }, true)).toBe(1);
  expect(middle(photo)).toEqual({ left: 150, top: 112.5, width: 100, height: 75 });
});
