import { type UseQueryResult, useQuery } from "@tanstack/react-query";

import { PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { isTrained, useIterations } from "@/api/shared";

import type { Photo } from "../useImage";
import { toPixels } from "./geometry";
import type { Offer } from "./offers";

export type Source = "proposals" | "suggestions";

/** Below, what a detector finds is rather wrong than right. */
const LEAST = 0.3;

/** The newest iteration that can be asked. */
export function useNewestIteration(project: string): Schemas["Iteration"] | undefined {
  return useIterations(project).data?.find(isTrained);
}

/** What the server offers for a photo; nothing is asked without a source. */
export function useOffers(
  project: string,
  photo: Photo,
  source: Source | null,
  iterationId: string | undefined,
): UseQueryResult<Offer[]> {
  return useQuery({
    queryKey: ["offers", project, photo.id, source, source === "suggestions" ? iterationId : null],
    queryFn: () => (source === "proposals" ? proposed(project, photo) : found(project, photo, iterationId ?? "")),
    enabled: source === "proposals" || (source === "suggestions" && iterationId !== undefined),
    staleTime: Infinity,
  });
}

async function proposed(project: string, photo: Photo): Promise<Offer[]> {
  const path = { project_id: project, image_id: photo.id };
  const answer = await dataOf(api.POST(`${PROJECT}/images/{image_id}/regionproposals`, { params: { path } }));
  return answer.proposals.map(({ boundingBox, confidence }, place) => ({
    id: `proposal ${place}`,
    ...toPixels(boundingBox, photo),
    probability: confidence,
    tagId: null,
    tagName: null,
  }));
}

async function found(project: string, photo: Photo, iterationId: string): Promise<Offer[]> {
  const params = { path: { project_id: project }, query: { iterationId, store: false } };
  const body = { url: photo.resizedImageUri };
  const { predictions } = await dataOf(api.POST(`${PROJECT}/quicktest/url`, { params, body }));
  return predictions.flatMap(({ boundingBox, probability, tagId, tagName }, place) =>
    boundingBox && probability >= LEAST
      ? [{ id: `suggestion ${place}`, ...toPixels(boundingBox, photo), probability, tagId, tagName }]
      : [],
  );
}
