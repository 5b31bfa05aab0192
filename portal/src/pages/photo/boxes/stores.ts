/** The stores of photos' boxes: they go on writing when their page is left. */
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useSyncExternalStore } from "react";

import { PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";
import { untilReachable } from "@/api/reachable";
import { untilSignedIn } from "@/api/session";
import { texts } from "@/texts";

import type { Photo } from "../useImage";
import { type Size, toFractions, toPixels } from "./geometry";
import { type Box, type Written, sameLook } from "./plan";
import { BoxStore } from "./store";
import type { RegionCalls } from "./writer";

const KEPT = 30;
const COUNTS_MS = 800;
const NEAR = 1e-9;
const stores = new Map<string, BoxStore>();

/** The boxes of a photo; the component is drawn again when they change. */
export function useBoxes(project: string, photo: Photo, limits: Schemas["Info"]["limits"]): BoxStore {
  const client = useQueryClient();
  const store = useMemo(
    () => stores.get(photo.id) ?? newStore(project, photo, limits, client),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- one store for each photo, whatever is read of it later
    [project, photo.id],
  );
  useSyncExternalStore(store.subscribe, store.version);
  useEffect(() => store.adopt(writtenOf(photo), photo.revision), [store, photo]);
  useEffect(() => {
    if (store.problem) void store.retry();
    return () => void store.flush();
  }, [store]);
  return store;
}

/** What was written of a photo so far, to tell a later answer from an earlier one. */
export function revisionOf(imageId: string): number {
  return stores.get(imageId)?.revision ?? 0;
}

/** The boxes of a photo that was open in this tab. */
export function knownBoxes(imageId: string): readonly Box[] | undefined {
  return stores.get(imageId)?.boxes;
}

/** Boxes of all photos that the server does not have yet. */
export function openBoxes(): number {
  return [...stores.values()].reduce((sum, store) => sum + store.open, 0);
}

/** Write all photos' boxes now. */
export async function flushAll(): Promise<void> {
  await Promise.all([...stores.values()].map((store) => store.flush()));
}

export function forgetBoxes(imageId: string): void {
  stores.delete(imageId);
}

function newStore(project: string, photo: Photo, limits: Schemas["Info"]["limits"], client: QueryClient): BoxStore {
  const most = limits["regionsPerImage"] ?? 300;
  const store = new BoxStore(writtenOf(photo), callsOf(project, photo, client), {
    batch: limits["batchRegions"] ?? 64,
    tooMany: texts.photo.tooManyBoxes(most),
    changedMeanwhile: texts.photo.changedMeanwhile,
  });
  for (const [id, old] of stores) {
    if (stores.size < KEPT) break;
    if (old.open === 0) stores.delete(id);
  }
  stores.set(photo.id, store);
  return store;
}

function writtenOf(photo: Photo): Written[] {
  return (photo.regions ?? []).map((region) => ({
    regionId: region.regionId,
    box: { id: region.regionId, tagId: region.tagId, ...toPixels(region, photo) },
  }));
}

function callsOf(project: string, photo: Photo, client: QueryClient): RegionCalls {
  const path = { project_id: project };
  const written = counting(project, client);
  return {
    create: async (boxes) => {
      const regions = boxes.map((box) => entryOf(box, photo, photo.id));
      const answer = await dataOf<Schemas["ImageRegionCreateSummary"]>(
        api.POST(`${PROJECT}/images/regions`, { params: { path }, body: { regions } }),
      );
      written();
      const made = [...answer.created];
      return regions.map((region) => {
        const place = made.findIndex((one) => sameLook(one, region, NEAR));
        if (place >= 0) return made.splice(place, 1)[0]?.regionId ?? null;
        return answer.duplicated.some((one) => sameLook(one, region, NEAR)) ? "there" : null;
      });
    },
    remove: async (regionIds) => {
      await api.DELETE(`${PROJECT}/images/regions`, { params: { path, query: { regionIds: [...regionIds] } } });
      written();
    },
    read: async () => {
      const query = { imageIds: [photo.id] };
      const [found] = await dataOf(api.GET(`${PROJECT}/images/id`, { params: { path, query } }));
      return found ? writtenOf({ ...photo, regions: found.regions }) : [];
    },
    untilReachable,
    untilSignedIn,
  };
}

export function entryOf(box: Box, photo: Size, imageId: string): Schemas["ImageRegionEntry"] {
  return { imageId, tagId: box.tagId ?? "", ...toFractions(box, photo) };
}

/** What tells the other pages, a moment after the last write, that counts changed. */
function counting(project: string, client: QueryClient): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      for (const queryKey of [keys.tags(project), keys.summary(project), keys.images(project)]) {
        void client.invalidateQueries({ queryKey });
      }
    }, COUNTS_MS);
  };
}

window.addEventListener("beforeunload", (event) => {
  if (openBoxes() > 0) event.preventDefault();
});
