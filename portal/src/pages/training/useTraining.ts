/** Starting, following and cancelling trainings; renaming and deleting what came of them. */
import { type UseQueryResult, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { ITERATION, PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

const FOLLOW_MS = 1000;

export interface Order {
  type: Schemas["TrainingType"];
  budgetHours: number;
  /** Ids of tags; empty for all. */
  selected: readonly string[];
  /** Whether to train although nothing has changed. */
  force: boolean;
}

export function useTrain(project: string) {
  const renew = useRenew(project);
  return useMutation({
    mutationFn: ({ type, budgetHours, selected, force }: Order) =>
      dataOf(
        api.POST(`${PROJECT}/train`, {
          params: {
            path: { project_id: project },
            query: {
              trainingType: type,
              reservedBudgetInHours: type === "Advanced" ? budgetHours : 0,
              forceTrain: force,
            },
          },
          body: { selectedTags: [...selected] },
        }),
      ),
    onSuccess: renew,
  });
}

/** How far a training is; asked for as long as it is under way. */
export function useTrainingProgress(project: string, iteration: string): UseQueryResult<Schemas["Progress"]> {
  return useQuery({
    queryKey: [...keys.iteration(project, iteration), "progress"],
    queryFn: () => dataOf(api.GET(`${ITERATION}/progress`, { params: { path: path(project, iteration) } })),
    refetchInterval: ({ state }) => (state.data && state.data.status !== "Training" ? false : FOLLOW_MS),
  });
}

export function useCancelTraining(project: string) {
  const renew = useRenew(project);
  return useMutation({
    mutationFn: (iteration: string) =>
      dataOf(api.POST(`${ITERATION}/cancel`, { params: { path: path(project, iteration) } })),
    onSuccess: renew,
  });
}

export function useRenameIteration(project: string) {
  const renew = useRenew(project);
  return useMutation({
    mutationFn: ({ iteration, name }: { iteration: string; name: string }) =>
      dataOf(api.PATCH(ITERATION, { params: { path: path(project, iteration) }, body: { name } })),
    onSuccess: renew,
  });
}

export function useDeleteIteration(project: string) {
  const renew = useRenew(project);
  return useMutation({
    mutationFn: (iteration: string) =>
      dataOf(api.DELETE(ITERATION, { params: { path: path(project, iteration) } })),
    onSuccess: renew,
  });
}

/** Read again what a training, or its end, has changed. */
export function useRenew(project: string): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    await Promise.all([
      client.invalidateQueries({ queryKey: keys.project(project) }),
      client.invalidateQueries({ queryKey: keys.projects }),
      client.invalidateQueries({ queryKey: keys.jobs }),
    ]);
  };
}

function path(project: string, iteration: string) {
  return { project_id: project, iteration_id: iteration };
}
