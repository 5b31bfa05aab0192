import { type QueryClient, type UseQueryResult, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

import { now } from "../images/labelling/clock";
import { revisionOf } from "./boxes/stores";

export type Photo = Schemas["Image"] & {
  /** When it was asked for, by the clock of the labels. */
  asked: number;
  /** What was written of its boxes until then. */
  revision: number;
};

/** A photo, as of an iteration if there is one; null if there is no such photo. */
export function useImage(project: string, imageId: string, iteration: string | null): UseQueryResult<Photo | null> {
  return useQuery(queryOf(project, imageId, iteration));
}

/** Read the photo that comes next, so that it is there at once. */
export function usePrefetch(project: string, imageId: string | null, iteration: string | null): void {
  const client = useQueryClient();
  useEffect(() => {
    if (imageId === null) return;
    void client.fetchQuery(queryOf(project, imageId, iteration)).then((photo) => {
      if (photo) new Image().src = photo.originalImageUri;
    }, () => {});
  }, [client, project, imageId, iteration]);
}

export function readImage(client: QueryClient, project: string, imageId: string): Promise<Photo | null> {
  return client.fetchQuery({ ...queryOf(project, imageId, null), staleTime: 0 });
}

function queryOf(project: string, imageId: string, iteration: string | null) {
  return {
    queryKey: [...keys.images(project), "one", imageId, iteration],
    queryFn: async (): Promise<Photo | null> => {
      const before = { asked: now(), revision: revisionOf(imageId) };
      const query = { imageIds: [imageId], iterationId: iteration ?? undefined };
      const [found] = await dataOf(api.GET(`${PROJECT}/images/id`, { params: { path: { project_id: project }, query } }));
      return found ? { ...found, ...before } : null;
    },
  };
}
