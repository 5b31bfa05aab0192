import { keepPreviousData, useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";

import { PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { ApiError } from "@/api/errors";
import { keys } from "@/api/keys";

import { type Filters, inParts, queryOf } from "./query";

const PAGE = 100;
/** What one call may add or delete. */
const BATCH = 64;

type Place = Pick<Schemas["PredictionQuery"], "session" | "continuation">;

/** The stored predictions, a page after the other. */
export function usePredictions(project: string, filters: Filters) {
  return useInfiniteQuery({
    queryKey: [...keys.predictions(project), filters],
    initialPageParam: {} as Place,
    queryFn: ({ pageParam }) =>
      dataOf(
        api.POST(`${PROJECT}/predictions/query`, {
          params: { path: { project_id: project } },
          body: { ...queryOf(filters, PAGE), ...pageParam },
        }),
      ),
    getNextPageParam: ({ token }): Place | undefined =>
      token.continuation ? { session: token.session, continuation: token.continuation } : undefined,
    placeholderData: keepPreviousData,
  });
}

export interface Addition {
  id: string;
  tagIds: string[];
  regions: Schemas["RegionBody"][];
}

/**
 * Make predictions training images.
 *
 * @param added is told the images' ids, in the order of the additions, before the predictions leave the lists.
 */
export function useAdd(project: string, added: (images: string[]) => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (additions: readonly Addition[]): Promise<string[]> => {
      const made: string[] = [];
      const refused: string[] = [];
      for (const images of inParts(additions, BATCH)) {
        const summary = await dataOf<Schemas["ImageCreateSummary"]>(
          api.POST(`${PROJECT}/images/predictions`, {
            params: { path: { project_id: project } },
            body: { images, tagIds: [] },
          }),
        );
        for (const { image, status } of summary.images) {
          if (image) made.push(image.id);
          else refused.push(status);
        }
      }
      if (refused.length > 0) throw new ApiError([...new Set(refused)].join(", "), 400, "NotAdded");
      return made;
    },
    onSuccess: added,
    onSettled: async () => {
      await Promise.all([
        client.invalidateQueries({ queryKey: keys.predictions(project) }),
        client.invalidateQueries({ queryKey: keys.images(project) }),
        client.invalidateQueries({ queryKey: keys.tags(project) }),
        client.invalidateQueries({ queryKey: keys.summary(project) }),
      ]);
    },
  });
}

/** @param deleted is told before the predictions leave the lists. */
export function useDelete(project: string, deleted: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (ids: readonly string[]) => {
      for (const part of inParts(ids, BATCH)) {
        await api.DELETE(`${PROJECT}/predictions`, {
          params: { path: { project_id: project }, query: { ids: part } },
        });
      }
    },
    onSuccess: deleted,
    onSettled: () => client.invalidateQueries({ queryKey: keys.predictions(project) }),
  });
}
