/** Exports of an iteration: asking for them, how far they are, and their proofs. */
import { type UseQueryResult, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { ITERATION, OWN, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

import { type Form, type Made, joined } from "./forms";

const FOLLOW_MS = 1000;

type Platform = Schemas["ExportPlatform"];

export function useExports(project: string, iteration: string): UseQueryResult<Made[]> {
  return useQuery({
    queryKey: [...keys.iteration(project, iteration), "exports"],
    queryFn: async () => {
      const params = { params: { path: path(project, iteration) } };
      const [exports, progress] = await Promise.all([
        dataOf(api.GET(`${ITERATION}/export`, params)),
        dataOf(api.GET(`${ITERATION}/export/progress`, params)),
      ]);
      return joined(exports, progress);
    },
    refetchInterval: ({ state }) => (state.data?.some(({ status }) => status === "Exporting") ? FOLLOW_MS : false),
  });
}

export function useExport(project: string, iteration: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ platform, flavor }: Pick<Form, "platform" | "flavor">) =>
      dataOf(
        api.POST(`${ITERATION}/export`, {
          params: {
            path: path(project, iteration),
            query: { platform: platform as Platform, flavor: flavor ?? undefined },
          },
        }),
      ),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: keys.iteration(project, iteration) });
      await client.invalidateQueries({ queryKey: keys.jobs });
    },
  });
}

/** How an export was compared with the trained model. */
export function useProof(
  project: string,
  iteration: string,
  { platform, flavor }: Pick<Form, "platform" | "flavor">,
): UseQueryResult<Record<string, unknown>> {
  return useQuery({
    queryKey: [...keys.iteration(project, iteration), "proof", platform, flavor],
    queryFn: () =>
      dataOf(
        api.GET(`${OWN}/projects/{project_id}/iterations/{iteration_id}/export/verification`, {
          params: {
            path: path(project, iteration),
            query: { platform: platform as Platform, flavor: flavor ?? undefined },
          },
        }),
      ),
    staleTime: Infinity,
  });
}

/** The domains with the forms in which their iterations are exported. */
export function useDomainForms(): UseQueryResult<Schemas["DomainChoice"][]> {
  return useQuery({
    queryKey: [...keys.domains, "forms"],
    queryFn: () => dataOf(api.GET(`${OWN}/domains`)),
    staleTime: Infinity,
  });
}

function path(project: string, iteration: string) {
  return { project_id: project, iteration_id: iteration };
}
