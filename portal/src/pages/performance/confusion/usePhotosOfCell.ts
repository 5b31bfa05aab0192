import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { ITERATION, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

import type { Match, Search } from "./cells";

const PAGE = 256;

export interface PhotoOfCell extends Match {
  photo: Schemas["ImagePerformance"];
}

/**
 * The photos behind a number, looked for page by page until there are as many.
 *
 * @param place names the cell.
 * @param count of photos or boxes.
 */
export function usePhotosOfCell(project: string, iteration: string, place: string, count: number, search: Search) {
  const [seen, setSeen] = useState(0);
  const found = useQuery({
    queryKey: [...keys.iteration(project, iteration), "cell", place],
    queryFn: async ({ signal }) => {
      const kept: PhotoOfCell[] = [];
      let counted = 0;
      for (let skip = 0; ; skip += PAGE) {
        const page = await dataOf(
          api.GET(`${ITERATION}/performance/images`, {
            params: {
              path: { project_id: project, iteration_id: iteration },
              query: { take: PAGE, skip, ...(search.tagIds.length ? { tagIds: [...search.tagIds] } : {}) },
            },
            signal,
          }),
        );
        for (const photo of page) {
          const match = search.match(photo);
          if (!match) continue;
          kept.push({ photo, ...match });
          counted += match.count;
        }
        setSeen(skip + page.length);
        if (page.length < PAGE || counted >= count) return { photos: kept, counted };
      }
    },
    staleTime: 60_000,
  });
  return { ...found, seen };
}
