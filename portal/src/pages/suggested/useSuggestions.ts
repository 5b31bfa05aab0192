import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";

import { PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

import { now } from "../images/labelling/clock";

export interface Wanted {
  iterationId: string;
  tagId: string | null;
  threshold: number;
  surest: boolean;
}

const PAGE = 64;
const WHOLE_PAGE = 256;
const MOST_PAGES = 64;

type Place = Pick<Schemas["SuggestionQuery"], "session" | "continuation">;

/** Suggestions for photos that are still untagged, a page after the other. */
export function useSuggestions(project: string, wanted: Wanted) {
  return useInfiniteQuery({
    queryKey: [...keys.suggestions(project), "found", wanted],
    initialPageParam: {} as Place,
    queryFn: async ({ pageParam }) => {
      const asked = now();
      const page = await query(project, wanted.iterationId, {
        tagIds: wanted.tagId ? [wanted.tagId] : [],
        threshold: wanted.threshold,
        sortBy: wanted.surest ? "UncertaintyAscending" : "UncertaintyDescending",
        maxCount: PAGE,
        ...pageParam,
      });
      return { ...page, results: page.results.map((one) => ({ ...one, asked })) };
    },
    getNextPageParam: ({ token }): Place | undefined => placeAfter(token),
    placeholderData: keepPreviousData,
  });
}

/** The untagged photos that have suggestions of an iteration, whatever these say. */
export function useSuggestedIds(project: string, iterationId: string | undefined) {
  return useQuery({
    queryKey: [...keys.suggestions(project), "ids", iterationId],
    queryFn: async () => {
      const ids = new Set<string>();
      let place: Place | undefined = {};
      for (let pages = 0; place && pages < MOST_PAGES; pages += 1) {
        const page: Schemas["SuggestionQueryResult"] = await query(project, iterationId ?? "", {
          tagIds: [],
          maxCount: WHOLE_PAGE,
          ...place,
        });
        for (const { id } of page.results) ids.add(id);
        place = placeAfter(page.token);
      }
      return ids;
    },
    enabled: iterationId !== undefined,
  });
}

/** For each tag, the photos for which it reaches a probability. */
export function useCounts(project: string, wanted: Wanted, tagIds: readonly string[]) {
  return useQuery({
    queryKey: [...keys.suggestions(project), "counts", wanted.iterationId, wanted.threshold, tagIds],
    queryFn: () =>
      dataOf(
        api.POST(`${PROJECT}/images/suggested/count`, {
          params: { path: { project_id: project }, query: { iterationId: wanted.iterationId } },
          body: { tagIds: [...tagIds], threshold: wanted.threshold },
        }),
      ),
    enabled: tagIds.length > 0,
    placeholderData: keepPreviousData,
  });
}

function query(
  project: string,
  iterationId: string,
  body: Schemas["SuggestionQuery"],
): Promise<Schemas["SuggestionQueryResult"]> {
  const params = { path: { project_id: project }, query: { iterationId } };
  return dataOf(api.POST(`${PROJECT}/images/suggested`, { params, body }));
}

function placeAfter({ session, continuation }: Schemas["SuggestionQueryToken"]): Place | undefined {
  return continuation ? { session, continuation } : undefined;
}
