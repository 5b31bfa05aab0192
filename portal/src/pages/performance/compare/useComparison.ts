import { type UseQueryResult, keepPreviousData, useQuery } from "@tanstack/react-query";

import { OWN, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

import type { Setting } from "../useEvaluation";

export type Comparison = Schemas["IterationComparison"];

const LINKS_LAST_MS = 10 * 60_000;

/** Two iterations photo by photo; null while two different ones are not chosen. */
export function useComparison(
  project: string,
  one: string | null,
  other: string | null,
  { threshold, overlap }: Setting,
): UseQueryResult<Comparison> {
  return useQuery({
    queryKey: [...keys.iteration(project, one ?? ""), "comparison", other, threshold, overlap],
    queryFn: ({ signal }) =>
      dataOf(
        api.GET(`${OWN}/projects/{project_id}/iterations/{iteration_id}/comparison`, {
          params: {
            path: { project_id: project, iteration_id: one ?? "" },
            query: { with: other ?? "", threshold, ...(overlap === null ? {} : { overlapThreshold: overlap }) },
          },
          signal,
        }),
      ),
    enabled: one !== null && other !== null && one !== other,
    placeholderData: keepPreviousData,
    staleTime: LINKS_LAST_MS,
  });
}
