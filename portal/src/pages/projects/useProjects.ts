/** The projects of the server: read page by page, made, copied and deleted. */
import {
  type UseMutationResult,
  type UseQueryResult,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useEffect } from "react";

import { ITERATION, OWN, PROJECT, type Schemas, TRAINING, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

export type Project = Schemas["ProjectSummary"];

const PAGE = 100;
const BUSY_MS = 2000;

export interface Projects {
  projects: Project[] | undefined;
  /** Whether there are pages that have not arrived yet. */
  more: boolean;
  error: Error | null;
  retry: () => void;
}

/** All projects; each page is asked for when the one before has arrived. */
export function useProjects(): Projects {
  const pages = useInfiniteQuery({
    queryKey: keys.projects,
    queryFn: ({ pageParam }) =>
      dataOf(api.GET(`${OWN}/projects`, { params: { query: { take: PAGE, continuation: pageParam } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.continuation ?? undefined,
    refetchInterval: ({ state }) => (state.data?.pages.some(({ results }) => results.some(isBusy)) ? BUSY_MS : false),
  });
  const { hasNextPage, isFetching, isError, fetchNextPage } = pages;
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [hasNextPage, isFetching, isError, fetchNextPage]);
  return {
    projects: pages.data?.pages.flatMap(({ results }) => results),
    more: hasNextPage,
    error: pages.error,
    retry: () => void pages.refetch(),
  };
}

function isBusy(project: Project): boolean {
  return project.isTraining || project.status === "Importing";
}

export interface NewProject {
  name: string;
  description: string;
  domainId: string;
  /** Null where the kind of the project has none. */
  classificationType: Schemas["Classifier"] | null;
}

export function useCreateProject(): UseMutationResult<Schemas["Project"], Error, NewProject> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ name, description, domainId, classificationType }) => {
      const query = { name, description, domainId, ...(classificationType && { classificationType }) };
      return dataOf(api.POST(`${TRAINING}/projects`, { params: { query } }));
    },
    onSuccess: () => client.invalidateQueries({ queryKey: keys.projects }),
  });
}

export function useExportToken(project: string): UseQueryResult<Schemas["ProjectExport"]> {
  return useQuery({
    queryKey: [...keys.project(project), "export-token"],
    queryFn: () => dataOf(api.GET(`${PROJECT}/export`, { params: { path: { project_id: project } } })),
    staleTime: 0,
  });
}

export function useCopyProject(): UseMutationResult<Schemas["Project"], Error, { token: string; name: string }> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (query) => dataOf(api.POST(`${TRAINING}/projects/import`, { params: { query } })),
    onSuccess: () => client.invalidateQueries({ queryKey: keys.projects }),
  });
}

/** Deletes a project, after its published names: the server deletes none that programs still ask for. */
export function useDeleteProject(): UseMutationResult<void, Error, Project> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ id, published }) => {
      for (const { iterationId } of published) {
        const path = { project_id: id, iteration_id: iterationId };
        await api.DELETE(`${ITERATION}/publish`, { params: { path } });
      }
      await api.DELETE(PROJECT, { params: { path: { project_id: id } } });
    },
    onSuccess: (_, { id }) => client.removeQueries({ queryKey: keys.project(id) }),
    onSettled: () => client.invalidateQueries({ queryKey: keys.projects }),
  });
}
