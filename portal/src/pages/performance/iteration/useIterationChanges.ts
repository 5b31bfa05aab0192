import { useMutation, useQueryClient } from "@tanstack/react-query";

import { ITERATION, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

export function useRenameIteration(project: string, iteration: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) =>
      dataOf(
        api.PATCH(ITERATION, {
          params: { path: { project_id: project, iteration_id: iteration } },
          body: { name },
        }),
      ),
    onSuccess: (changed) => {
      client.setQueryData<Schemas["Iteration"][]>(keys.iterations(project), (known) =>
        known?.map((one) => (one.id === changed.id ? changed : one)),
      );
      return client.invalidateQueries({ queryKey: keys.iterations(project), exact: true });
    },
  });
}

/**
 * Delete an iteration.
 *
 * @param deleted is called before it disappears from the list.
 */
export function useDeleteIteration(project: string, iteration: string, deleted: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () =>
      dataOf(
        api.DELETE(ITERATION, { params: { path: { project_id: project, iteration_id: iteration } } }),
      ),
    onSuccess: async () => {
      deleted();
      client.setQueryData<Schemas["Iteration"][]>(keys.iterations(project), (known) =>
        known?.filter(({ id }) => id !== iteration),
      );
      await Promise.all([
        client.invalidateQueries({ queryKey: keys.summary(project) }),
        client.invalidateQueries({ queryKey: keys.projects }),
      ]);
    },
  });
}
