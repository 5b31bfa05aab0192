/** What is asked of a trained iteration; it never changes, apart from the addresses of photos. */
import { type UseQueryResult, keepPreviousData, useQuery } from "@tanstack/react-query";

import { ITERATION, OWN, type Schemas, api, dataOf } from "@/api/client";
import { ApiError } from "@/api/errors";
import { keys } from "@/api/keys";

export type Classified = Schemas["IterationEvaluation"];
export type Detected = Schemas["DetectorEvaluation"];
export type Estimate = Schemas["Estimate"];

/** The figures of an iteration, and the setting that they are of. */
export type PerformanceAt = Schemas["IterationPerformance"] & Setting;

export interface Setting {
  threshold: number;
  /** Null for a model that does not find boxes. */
  overlap: number | null;
}

const LINKS_LAST_MS = 10 * 60_000;
const OWN_ITERATION = `${OWN}/projects/{project_id}/iterations/{iteration_id}` as const;

/** All that the evaluation found; null for an iteration that has none. */
export function useEvaluation(project: string, iteration: string): UseQueryResult<Classified | Detected | null> {
  return useQuery({
    queryKey: [...keys.iteration(project, iteration), "evaluation"],
    queryFn: () => orNull(dataOf(api.GET(`${OWN_ITERATION}/evaluation`, pathOf(project, iteration)))),
    staleTime: LINKS_LAST_MS,
  });
}

/** The findings about photos and tags before the training; null where none are kept. */
export function useValidation(
  project: string,
  iteration: string,
): UseQueryResult<Schemas["IterationValidation"] | null> {
  return useQuery({
    queryKey: [...keys.iteration(project, iteration), "validation"],
    queryFn: () => orNull(dataOf(api.GET(`${OWN_ITERATION}/validation`, pathOf(project, iteration)))),
    staleTime: LINKS_LAST_MS,
  });
}

/** The figures at a threshold and an overlap; those of the setting before stay until the new ones are there. */
export function usePerformance(
  project: string,
  iteration: string,
  threshold: number,
  overlap: number | null,
): UseQueryResult<PerformanceAt> {
  return useQuery({
    queryKey: [...keys.iteration(project, iteration), "performance", threshold, overlap],
    queryFn: async ({ signal }) => {
      const query = { threshold, ...(overlap === null ? {} : { overlapThreshold: overlap }) };
      const params = { ...pathOf(project, iteration).params, query };
      const found = await dataOf(api.GET(`${ITERATION}/performance`, { params, signal }));
      return { ...found, threshold, overlap };
    },
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
}

function pathOf(project: string, iteration: string) {
  return { params: { path: { project_id: project, iteration_id: iteration } } };
}

async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** The tags of an iteration, by the names that they had when it was trained. */
export function tagsOf({ perTagPerformance }: PerformanceAt): Map<string, { id: string; name: string }> {
  return new Map(perTagPerformance.map(({ id, name }) => [name, { id, name }]));
}
