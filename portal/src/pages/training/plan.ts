/** What a training would learn from the tags that are chosen, and what stands in its way. */
import type { Schemas } from "@/api/client";
import { type Goals, goalsOf } from "@/pages/images/tags/goals";

type Tag = Schemas["Tag"];

export interface Rules {
  detects: boolean;
  leastTags: number;
  goals: Goals;
  /** How many photos have tags; null where each has one tag only, so that those of the tags add up. */
  tagged: number | null;
}

/**
 * @param limits of the server, as it says them of itself.
 * @param tagged see `Rules`.
 */
export function rulesOf(limits: Record<string, number>, detects: boolean, tagged: number | null): Rules {
  return detects
    ? { detects, tagged, leastTags: 1, goals: goalsOf(limits["minBoxedImagesPerTag"] ?? 15) }
    : { detects, tagged, leastTags: limits["minTags"] ?? 2, goals: goalsOf(limits["minImagesPerTag"] ?? 5) };
}

export interface Plan {
  trained: Tag[];
  /** Ids to send; empty for all that can be trained, so that the server sees when nothing has changed. */
  selected: string[];
  /** How many photos the trained tags have together; null where one may have several tags and some are left out. */
  photos: number | null;
  few: { tag: Tag; missing: number }[];
  /** How many tags too few there are. */
  missingTags: number;
}

/** Whether a tag can be trained at all: those without photos are left out, and detectors learn no negative tag. */
export function isLearnable(tag: Tag, rules: Rules): boolean {
  return tag.imageCount > 0 && !(rules.detects && tag.type === "Negative");
}

export function planOf(tags: readonly Tag[], leftOut: ReadonlySet<string>, rules: Rules): Plan {
  const trained = tags.filter((tag) => isLearnable(tag, rules) && !leftOut.has(tag.id));
  const isAll = tags.every((tag) => tag.imageCount === 0 || trained.includes(tag));
  return {
    trained,
    selected: isAll ? [] : trained.map((tag) => tag.id),
    photos:
      rules.tagged === null ? trained.reduce((sum, tag) => sum + tag.imageCount, 0) : isAll ? rules.tagged : null,
    few: trained
      .filter((tag) => tag.imageCount < rules.goals.least)
      .map((tag) => ({ tag, missing: rules.goals.least - tag.imageCount })),
    missingTags: Math.max(0, rules.leastTags - trained.length),
  };
}

export function isPossible(plan: Plan): boolean {
  return plan.few.length === 0 && plan.missingTags === 0;
}
