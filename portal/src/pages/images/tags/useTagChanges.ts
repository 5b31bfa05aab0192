/** Changes of tags: their names, what becomes of them. */
import { useMutation, useQueryClient } from "@tanstack/react-query";

import { OWN, PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";
import { announceError } from "@/components/announce";

export function useTagChanges(project: string) {
  const client = useQueryClient();
  const invalidate = async (): Promise<void> => {
    await Promise.all(
      [keys.tags(project), keys.summary(project), keys.images(project)].map((queryKey) =>
        client.invalidateQueries({ queryKey }),
      ),
    );
  };
  const change = useMutation({
    mutationFn: ({ id, ...body }: { id: string } & Schemas["TagChange"]) =>
      dataOf(api.PATCH(`${PROJECT}/tags/{tag_id}`, { params: { path: { project_id: project, tag_id: id } }, body })),
    onSuccess: invalidate,
  });
  const remove = useMutation({
    mutationFn: async (id: string) => {
      await api.DELETE(`${PROJECT}/tags/{tag_id}`, { params: { path: { project_id: project, tag_id: id } } });
    },
    onSuccess: invalidate,
    onError: announceError,
  });
  const merge = useMutation({
    mutationFn: ({ id, into }: { id: string; into: string }) =>
      dataOf(
        api.POST(`${OWN}/projects/{project_id}/tags/{tag_id}/merge`, {
          params: { path: { project_id: project, tag_id: id } },
          body: { into },
        }),
      ),
    onSuccess: invalidate,
  });
  return { change, remove, merge };
}
