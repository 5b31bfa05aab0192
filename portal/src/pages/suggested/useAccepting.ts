import { useMutation, useQueryClient } from "@tanstack/react-query";

import { PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";
import { texts } from "@/texts";

const BATCH = 64;

/** Draw suggested boxes on their photos. Returns how many photos got some. */
export function useAcceptBoxes(project: string, limits: Schemas["Info"]["limits"]) {
  const client = useQueryClient();
  const batch = limits["batchRegions"] ?? BATCH;
  return useMutation({
    mutationFn: async (regions: readonly Schemas["ImageRegionEntry"][]): Promise<number> => {
      const exceeded: unknown[] = [];
      for (let start = 0; start < regions.length; start += batch) {
        const answer = await dataOf<Schemas["ImageRegionCreateSummary"]>(
          api.POST(`${PROJECT}/images/regions`, {
            params: { path: { project_id: project } },
            body: { regions: regions.slice(start, start + batch) },
          }),
        );
        exceeded.push(...answer.exceeded);
      }
      if (exceeded.length > 0) throw new Error(texts.photo.tooManyBoxes(limits["regionsPerImage"] ?? 300));
      return new Set(regions.map(({ imageId }) => imageId)).size;
    },
    onSettled: () =>
      Promise.all(
        [keys.suggestions(project), keys.tags(project), keys.summary(project), keys.images(project)].map((queryKey) =>
          client.invalidateQueries({ queryKey }),
        ),
      ),
  });
}
