/** Boxes that the server offers, to be accepted by a click. */
import { type Rect, overlap } from "./geometry";

export interface Offer extends Rect {
  id: string;
  /** Null where only the place is known. */
  tagId: string | null;
  tagName: string | null;
  probability: number;
}

const TAKEN = 0.5;

/** The share of the best offer's probability that the first ones have at least. */
const WORTH = 0.25;

/** The likeliest offers where no box is yet; at first only those that are worth a look beside the best. */
export function openOffers(
  offers: readonly Offer[],
  boxes: readonly Rect[],
  most: number,
  isFirst: boolean,
): Offer[] {
  const best = Math.max(0, ...offers.map(({ probability }) => probability));
  return offers
    .filter(({ probability }) => !isFirst || probability >= best * WORTH)
    .filter((offer) => !boxes.some((box) => overlap(offer, box) > TAKEN))
    .sort((one, other) => other.probability - one.probability)
    .slice(0, most);
}
