/** The sample: a project with drawn photos, to look around without photos of one's own. */
import { type UseMutationResult, useMutation, useQueryClient } from "@tanstack/react-query";

import { OWN, PROJECT, type Schemas, TRAINING, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";
import { texts } from "@/texts";

const KIND = { classificationType: "Multiclass" } as const;

/** Fills a project that has neither photos nor tags. */
export function useFill(): UseMutationResult<Schemas["SampleSummary"], Error, string> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: fill,
    onSettled: (_, __, project) => client.invalidateQueries({ queryKey: keys.project(project) }),
  });
}

/**
 * Makes a project of the domain and fills it; if it cannot be filled, it is deleted again.
 *
 * @param done is called even if the page that began it was left.
 */
export function useSampleProject(
  done: (project: Schemas["Project"]) => void,
): UseMutationResult<Schemas["Project"], Error, string> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (domainId) => {
      const { sampleName: name, sampleDescription: description } = texts.projects;
      const query = { name, description, domainId, ...KIND };
      const project = await dataOf(api.POST(`${TRAINING}/projects`, { params: { query } }));
      try {
        await fill(project.id);
      } catch (error) {
        await api.DELETE(PROJECT, { params: { path: { project_id: project.id } } }).catch(() => undefined);
        throw error;
      }
      return project;
    },
    onSuccess: (project) => {
      done(project);
      return client.invalidateQueries({ queryKey: keys.projects });
    },
  });
}

function fill(project: string): Promise<Schemas["SampleSummary"]> {
  return dataOf(api.POST(`${OWN}/projects/{project_id}/sample`, { params: { path: { project_id: project } } }));
}
