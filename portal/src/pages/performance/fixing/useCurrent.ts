import { useQuery } from "@tanstack/react-query";

import { PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

export type Current = ReadonlyMap<string, Schemas["Image"]>;

const AT_ONCE = 100;

/** Photos as they are now, by their ids: their tags may have been changed since the training. */
export function useCurrent(project: string, imageIds: readonly string[]) {
  return useQuery({
    queryKey: [...keys.images(project), "current", imageIds],
    queryFn: async (): Promise<Current> => {
      const found = new Map<string, Schemas["Image"]>();
      for (let start = 0; start < imageIds.length; start += AT_ONCE) {
        const part = imageIds.slice(start, start + AT_ONCE);
        const params = { path: { project_id: project }, query: { imageIds: part } };
        for (const image of await dataOf(api.GET(`${PROJECT}/images/id`, { params }))) found.set(image.id, image);
      }
      return found;
    },
    enabled: imageIds.length > 0,
  });
}
