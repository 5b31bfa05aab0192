/** Where a photo is in the gallery, which the gallery and the page of the photo tell each other. */
export interface PhotoPlace {
  place: number;
}

/** The place that the state of a page's address names; null if it names none. */
export function placeIn(state: unknown): number | null {
  if (typeof state !== "object" || state === null || !("place" in state)) return null;
  return typeof state.place === "number" ? state.place : null;
}
