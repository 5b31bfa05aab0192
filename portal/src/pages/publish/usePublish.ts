import { useMutation, useQueryClient } from "@tanstack/react-query";

import { ITERATION, OWN, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

/** What the original calls the prediction resource: the server takes any text. */
const RESOURCE = "portal";

interface Publishing {
  iteration: string;
  name: string;
  /** Whether the name is taken from another iteration, and this iteration from another name. */
  overwrite: boolean;
}

export function usePublish(project: string) {
  const renew = useRenew(project);
  return useMutation({
    mutationFn: ({ iteration, name, overwrite }: Publishing) =>
      dataOf(
        api.POST(`${ITERATION}/publish`, {
          params: {
            path: { project_id: project, iteration_id: iteration },
            query: { publishName: name, predictionId: RESOURCE, overwrite },
          },
        }),
      ),
    onSuccess: renew,
  });
}

export function useUnpublish(project: string) {
  const renew = useRenew(project);
  return useMutation({
    mutationFn: (iteration: string) =>
      dataOf(
        api.DELETE(`${ITERATION}/publish`, {
          params: { path: { project_id: project, iteration_id: iteration } },
        }),
      ),
    onSuccess: renew,
  });
}

/** A key that asks this project's published models, and nothing else; its text is in this answer only. */
export function useNewPredictionKey(project: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ name, days }: { name: string; days: number | null }): Promise<Schemas["NewKey"]> =>
      dataOf(api.POST(`${OWN}/keys`, { body: { name, scope: "prediction", projectId: project, days } })),
    onSuccess: () => client.invalidateQueries({ queryKey: keys.apiKeys }),
  });
}

function useRenew(project: string): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    await Promise.all([
      client.invalidateQueries({ queryKey: keys.project(project) }),
      client.invalidateQueries({ queryKey: keys.projects }),
    ]);
  };
}
