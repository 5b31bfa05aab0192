import { type UseQueryResult, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { OWN, PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { ApiError } from "@/api/errors";
import { keys } from "@/api/keys";

import { scaled } from "./scaled";
import { type Test, change, remember } from "./visit";

/** With what name this page's predictions are stored. */
export const APPLICATION = "portal";
const BYTES = { "Content-Type": "application/octet-stream" };
const RECENT = 64;
const EXPLAIN = `${OWN}/projects/{project_id}/explain` as const;

export function useInfo(): UseQueryResult<Schemas["Info"]> {
  return useQuery({ queryKey: keys.info, queryFn: () => dataOf(api.GET(`${OWN}/info`)), staleTime: 60_000 });
}

interface Asked {
  iterationId: string;
  source: Blob | string;
  store: boolean;
}

/** Ask an iteration about a photo, or about the photo at an address. */
export function useAsk(project: string) {
  const client = useQueryClient();
  const info = useInfo();
  return useMutation({
    mutationFn: async ({ iterationId, source, store }: Asked): Promise<Test> => {
      const path = { project_id: project };
      const query = { iterationId, store, application: APPLICATION };
      const common = { iterationId, stored: store, corrected: null, imageId: null };
      if (typeof source === "string") {
        const answer = await dataOf(
          api.POST(`${PROJECT}/quicktest/url`, { params: { path, query }, body: { url: source } }),
        );
        const src = store ? await storedPhoto(project, answer.id) : null;
        return { ...common, id: answer.id, src, photo: null, url: source, predictions: [...answer.predictions] };
      }
      const limits = info.data?.limits;
      const photo = limits ? await scaled(source, limits) : source;
      const answer = await dataOf(
        api.POST(`${PROJECT}/quicktest/image`, { params: { path, query }, ...bytes(photo) }),
      );
      const src = URL.createObjectURL(photo);
      return { ...common, id: answer.id, src, photo, url: null, predictions: [...answer.predictions] };
    },
    onSuccess: async (test) => {
      remember(project, test);
      if (test.stored) await client.invalidateQueries({ queryKey: keys.predictions(project) });
    },
  });
}

/** The photo with what supports a tag marked, as the address of a picture. */
export function useHeatMap(project: string, test: Test, tag: string | null): UseQueryResult<string> {
  return useQuery({
    queryKey: ["quick-test", project, test.id, "map", tag],
    queryFn: async () => {
      const params = {
        path: { project_id: project },
        query: { iterationId: test.iterationId, tag: tag ?? undefined },
      };
      const picture = { Accept: "image/png" };
      const answer = test.photo
        ? await api.POST(`${EXPLAIN}/image`, {
            params,
            ...bytes(test.photo),
            headers: { ...BYTES, ...picture },
            parseAs: "blob",
          })
        : await api.POST(`${EXPLAIN}/url`, {
            params,
            body: { url: test.url ?? "" },
            headers: picture,
            parseAs: "blob",
          });
      return URL.createObjectURL(answer.data as Blob);
    },
    enabled: tag !== null,
    staleTime: Infinity,
    retry: false,
  });
}

interface Correction {
  test: Test;
  tags: readonly { id: string; name: string }[];
  regions: readonly Schemas["RegionBody"][];
}

/** Make a test's photo a training image with the right tags or boxes; answers the image's id. */
export function useCorrect(project: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ test, tags, regions }: Correction): Promise<string> => {
      const tagIds = tags.map(({ id }) => id);
      const path = { project_id: project };
      const added = test.stored
        ? api.POST(`${PROJECT}/images/predictions`, {
            params: { path },
            body: { images: [{ id: test.id, tagIds, regions: [...regions] }], tagIds: [] },
          })
        : test.photo
          ? api.POST(`${PROJECT}/images`, { params: { path, query: { tagIds } }, ...bytes(test.photo) })
          : api.POST(`${PROJECT}/images/urls`, {
              params: { path },
              body: { images: [{ url: test.url ?? "", tagIds, regions: [...regions] }], tagIds: [] },
            });
      const summary = await dataOf<Schemas["ImageCreateSummary"]>(added);
      const image = summary.images[0]?.image;
      if (!image) throw new ApiError(summary.images[0]?.status ?? "", 400, "NotAdded");
      return image.id;
    },
    onSuccess: async (imageId, { test, tags }) => {
      change(project, test.id, { corrected: tags.map(({ name }) => name), imageId });
      await Promise.all([
        client.invalidateQueries({ queryKey: keys.images(project) }),
        client.invalidateQueries({ queryKey: keys.tags(project) }),
        client.invalidateQueries({ queryKey: keys.summary(project) }),
        client.invalidateQueries({ queryKey: keys.predictions(project) }),
      ]);
    },
  });
}

/** A body of bytes; its type in the API's document is that of a text. */
function bytes(photo: Blob) {
  return { body: photo as unknown as string, bodySerializer: (body: unknown) => body as Blob, headers: BYTES };
}

async function storedPhoto(project: string, id: string): Promise<string | null> {
  const found = await dataOf(
    api.POST(`${PROJECT}/predictions/query`, {
      params: { path: { project_id: project } },
      body: { orderBy: "Newest", maxCount: RECENT, application: APPLICATION, tags: [] },
    }),
  );
  return found.results.find((one) => one.id === id)?.resizedImageUri ?? null;
}
