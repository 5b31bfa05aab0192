import { type QueryClient, useMutation, useQueryClient } from "@tanstack/react-query";

import { PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

import type { Box } from "../confusion/boxes";
import { tagChange } from "./changed";

interface Retagging {
  image: Schemas["Image"];
  /** Ids of the tags that the photo shall have. */
  wanted: readonly string[];
}

/**
 * Give a photo other tags.
 *
 * @param done is called before what shows the photo may disappear.
 */
export function useRetag(project: string, done: () => void) {
  const client = useQueryClient();
  const path = { project_id: project };
  const put = (imageId: string, tagIds: readonly string[]) =>
    dataOf(
      api.POST(`${PROJECT}/images/tags`, {
        params: { path },
        body: { tags: tagIds.map((tagId) => ({ imageId, tagId })) },
      }),
    );
  return useMutation({
    mutationFn: async ({ image, wanted }: Retagging) => {
      const { off, on } = tagChange((image.tags ?? []).map(({ tagId }) => tagId), wanted);
      if (off.length > 0) {
        // First, as a photo of a multiclass project can take no second tag.
        const query = { imageIds: [image.id], tagIds: off };
        await dataOf(api.DELETE(`${PROJECT}/images/tags`, { params: { path, query } }));
      }
      try {
        if (on.length > 0) await put(image.id, on);
      } catch (error) {
        if (off.length > 0) await put(image.id, off);
        throw error;
      }
    },
    onSuccess: done,
    onSettled: () => renew(client, project),
  });
}

interface BoxChange {
  imageId: string;
  box: Box;
  /** The region that the box replaces. */
  instead: string | null;
}

/**
 * Draw a box, perhaps instead of another one.
 *
 * @param done is called before what shows the photo may disappear.
 */
export function useDrawBox(project: string, done: () => void) {
  const client = useQueryClient();
  const path = { project_id: project };
  return useMutation({
    mutationFn: async ({ imageId, box, instead }: BoxChange) => {
      await dataOf(api.POST(`${PROJECT}/images/regions`, { params: { path }, body: { regions: [{ imageId, ...box }] } }));
      if (instead === null) return;
      await dataOf(api.DELETE(`${PROJECT}/images/regions`, { params: { path, query: { regionIds: [instead] } } }));
    },
    onSuccess: done,
    onSettled: () => renew(client, project),
  });
}

function renew(client: QueryClient, project: string): Promise<unknown> {
  return Promise.all([
    client.invalidateQueries({ queryKey: keys.images(project) }),
    client.invalidateQueries({ queryKey: keys.tags(project) }),
    client.invalidateQueries({ queryKey: keys.summary(project) }),
  ]);
}
