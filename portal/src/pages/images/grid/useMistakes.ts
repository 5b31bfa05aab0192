/** The photos of a past iteration that it got wrong, page by page in the order in which they are shown. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";

import { ITERATION, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

import { type Filter, addressOf, queryOf } from "./filter";
import { type Kind, isMistaken } from "./mistakes";

const TAKEN = 256;
const NONE: ReadonlySet<string> = new Set();

export interface Mistakes {
  wrong: ReadonlySet<string>;
  /** Photos that were looked at until now. */
  judged: number;
  isComplete: boolean;
}

export function useMistakes(project: string, filter: Filter, kind: Kind): Mistakes {
  const { iteration, show } = filter;
  const found = useInfiniteQuery({
    queryKey: [...keys.iteration(project, iteration ?? ""), "mistakes", addressOf(filter).toString(), kind],
    queryFn: async ({ pageParam: skip, signal }) => {
      const { tagIds, orderBy } = queryOf(filter);
      const path = { project_id: project, iteration_id: iteration ?? "" };
      const params = { path, query: { tagIds, orderBy, take: TAKEN, skip } };
      const photos = await dataOf(api.GET(`${ITERATION}/performance/images`, { params, signal }));
      const wrong = photos.filter((photo) => isMistaken(photo, kind)).map((photo) => photo.id);
      return { wrong, judged: photos.filter((photo) => photo.predictions.length > 0).length, size: photos.length };
    },
    initialPageParam: 0,
    getNextPageParam: (last, all) => (last.size < TAKEN ? undefined : all.length * TAKEN),
    enabled: iteration !== null && show !== "untagged",
    staleTime: Infinity,
  });
  const { data, hasNextPage, isFetching, isError, fetchNextPage } = found;
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [hasNextPage, isFetching, isError, fetchNextPage]);
  return useMemo(() => {
    const pages = data?.pages ?? [];
    return {
      wrong: pages.length > 0 ? new Set(pages.flatMap((page) => page.wrong)) : NONE,
      judged: pages.reduce((sum, page) => sum + page.judged, 0),
      isComplete: data !== undefined && !hasNextPage,
    };
  }, [data, hasNextPage]);
}
