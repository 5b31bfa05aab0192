/** The labels of a project's photos: one store for each, which goes on writing when its page is left. */
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useMemo, useSyncExternalStore } from "react";

import { PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { messageOf } from "@/api/errors";
import { keys } from "@/api/keys";
import { untilReachable } from "@/api/reachable";
import { untilSignedIn } from "@/api/session";
import { announceError } from "@/components/announce";
import { texts } from "@/texts";

import { Labels } from "./store";

const COUNTS_MS = 1000;
const stores = new Map<string, Labels>();

/** The store; the component is drawn again when it changes. */
export function useLabels(project: string, limits: Schemas["Info"]["limits"]): Labels {
  const client = useQueryClient();
  const images = limits["batchImages"] ?? 64;
  const tags = limits["batchTags"] ?? 20;
  const labels = useMemo(() => storeOf(project, client, { images, tags }), [project, client, images, tags]);
  useSyncExternalStore(labels.subscribe, labels.version);
  return labels;
}

function storeOf(project: string, client: QueryClient, limits: { images: number; tags: number }): Labels {
  const known = stores.get(project);
  if (known) return known;
  const path = { project_id: project };
  const labels = new Labels(
    {
      add: async (pairs) => {
        const body = { tags: pairs.map(({ imageId, tagId }) => ({ imageId, tagId })) };
        return (await dataOf(api.POST(`${PROJECT}/images/tags`, { params: { path }, body }))).exceeded;
      },
      remove: async (imageIds, tagId) => {
        const query = { imageIds: [...imageIds], tagIds: [tagId] };
        await api.DELETE(`${PROJECT}/images/tags`, { params: { path, query } });
      },
      untilReachable,
      untilSignedIn,
    },
    limits,
  );
  let timer: ReturnType<typeof setTimeout> | undefined;
  labels.onWritten = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      void client.invalidateQueries({ queryKey: keys.tags(project) });
      void client.invalidateQueries({ queryKey: keys.summary(project) });
    }, COUNTS_MS);
  };
  labels.onRefused = (changes, error) =>
    announceError(new Error(error ? messageOf(error) : texts.images.tooManyTags(changes.length)));
  window.addEventListener("beforeunload", (event) => {
    if (labels.open > 0) event.preventDefault();
  });
  stores.set(project, labels);
  return labels;
}
