/** Typed requests to the server: the paths and their models are generated from its OpenAPI document. */
import createClient, { type Middleware, defaultPathSerializer } from "openapi-fetch";

import { texts } from "@/texts";

import { ApiError, errorOf } from "./errors";
import { tellUnreachable } from "./reachable";
import type { components, paths } from "./schema";
import { currentKey, refuse } from "./session";

export type Schemas = components["schemas"];
export const TRAINING = "/customvision/v3.4-preview/training";
export const OWN = "/dahlia/v1";
export const PROJECT = `${TRAINING}/projects/{project_id}` as const;
export const SIGN_IN = `${OWN}/sign-in` as const;
export const ITERATION = `${PROJECT}/iterations/{iteration_id}` as const;

const honest: Middleware = {
  onRequest({ request, schemaPath }) {
    const key = schemaPath === SIGN_IN ? null : currentKey();
    if (key && !request.headers.has("Training-Key")) request.headers.set("Training-Key", key);
    return request;
  },
  async onResponse({ response, request }) {
    if (response.ok) return response;
    const error = await errorOf(response);
    if (error.unreachable) tellUnreachable();
    const sent = request.headers.get("Training-Key");
    if (response.status === 401 && sent !== null && sent === currentKey()) refuse();
    throw error;
  },
  onError({ error }) {
    if (error instanceof ApiError) return error;
    if (error instanceof DOMException && error.name === "AbortError") return error;
    tellUnreachable();
    return new ApiError(texts.errors.unreachable, 0, "Unreachable");
  },
};

/** The path of a request. Browsers would climb to another path by the segments `.` and `..`, also percent-encoded. */
export function pathOf(schemaPath: string, values: Record<string, unknown>): string {
  const isClimbing = Object.values(values).some((value) => /^(\.|%2e){1,2}$/i.test(String(value)));
  if (isClimbing) throw new ApiError(texts.errors.noPage, 404, "NotFound");
  return defaultPathSerializer(schemaPath, values);
}

export const api = createClient<paths>({
  baseUrl: window.location.origin,
  fetch: (request) => fetch(request),
  pathSerializer: pathOf,
});
api.use(honest);

/** The data of an answer; a refusal is thrown before, as an `ApiError`. */
export async function dataOf<T>(answer: Promise<{ data?: T }>): Promise<T> {
  const { data } = await answer;
  return data as T;
}
