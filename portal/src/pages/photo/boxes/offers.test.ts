import { expect, test } from "vitest";

import { type Offer, openOffers } from "./offers";

const offer = (id: string, left: number, probability: number): Offer => ({
  id,
  left,
  top: 0,
  width: 10,
  height: 10,
  probability,
  tagId: null,
  tagName: null,
});

test("the likeliest come first, and none where a box is", () => {
  const faint = offer("e", 200, 0.1);
  const offers = [faint, offer("a", 0, 0.2), offer("b", 50, 0.9), offer("c", 100, 0.5), offer("d", 150, 0.4)];
  const boxes = [{ left: 51, top: 1, width: 10, height: 9 }];
  expect(openOffers(offers, boxes, 2, true).map(({ id }) => id)).toEqual(["c", "d"]);
  expect(openOffers(offers, boxes, 9, true)).not.toContain(faint);
  expect(openOffers(offers, boxes, 9, false)).toContain(faint);
});
