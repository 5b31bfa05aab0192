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

/** The likeliest offers where no box is yet. */
export function openOffers(offers: readonly Offer[], boxes: readonly Rect[], most: number): Offer[] {
  return offers
    .filter((offer) => !boxes.some((box) => overlap(offer, box) > TAKEN))
    .sort((one, other) => other.probability - one.probability)
    .slice(0, most);
}
