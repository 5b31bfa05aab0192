/** How long a new key is to live: no longer than the key that makes it. */

export const LIFETIMES = ["forever", "year", "quarter", "month", "day"] as const;
export type Lifetime = (typeof LIFETIMES)[number] | "own";

const DAYS: Record<(typeof LIFETIMES)[number], number | null> = {
  forever: null,
  year: 365,
  quarter: 90,
  month: 30,
  day: 1,
};
const DAY_MS = 86_400_000;
const MARGIN_MS = 60_000; // clocks differ, and the request takes a moment
const LEAST_DAYS = 1 / 1440;

/** The lifetimes that a key may give which ends at a time itself, or never; `own` is as long as its own. */
export function lifetimesOf(expires: string | null, now: number): Lifetime[] {
  if (expires === null) return [...LIFETIMES];
  const left = Date.parse(expires) - now;
  const shorter = LIFETIMES.filter((one) => DAYS[one] !== null && DAYS[one] * DAY_MS < left);
  return ["own", ...shorter];
}

/** As the API takes it; null for a key that never ends. */
export function daysOf(lifetime: Lifetime, expires: string | null, now: number): number | null {
  if (lifetime !== "own") return DAYS[lifetime];
  const left = expires === null ? 0 : Date.parse(expires) - now - MARGIN_MS;
  return Math.max(LEAST_DAYS, left / DAY_MS);
}
