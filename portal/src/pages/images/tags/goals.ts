/** How many photos of a tag are enough, and for what. */

export interface Goals {
  least: number;
  fair: number;
  good: number;
}

/** @param least photos that training needs of a tag. */
export function goalsOf(least: number): Goals {
  const fair = Math.max(15, least);
  return { least, fair, good: Math.max(50, fair) };
}

export interface Progress {
  /** The next goal; null if all are reached. */
  goal: number | null;
  missing: number;
  level: "none" | keyof Goals;
  /** Of the largest goal, 0 to 1, so that the first photos are seen. */
  share: number;
}

export function progressOf(count: number, goals: Goals): Progress {
  const goal = [goals.least, goals.fair, goals.good].find((number) => count < number) ?? null;
  const level = count >= goals.good ? "good" : count >= goals.fair ? "fair" : count >= goals.least ? "least" : "none";
  return {
    goal,
    missing: goal === null ? 0 : goal - count,
    level,
    share: Math.min(1, Math.sqrt(count / goals.good)),
  };
}
