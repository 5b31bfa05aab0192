/** What several pages ask the server for. */
import { type UseQueryResult, useQuery } from "@tanstack/react-query";

import { orderTags } from "@/components/tagColour";

import { ITERATION, OWN, PROJECT, type Schemas, TRAINING, api, dataOf } from "./client";
import { keys } from "./keys";
import { useKey } from "./session";

const UNDER_WAY_MS = 1500;

export function useMe(): UseQueryResult<Schemas["Key"]> {
  const key = useKey();
  return useQuery({
    queryKey: [...keys.me, key],
    queryFn: () => dataOf(api.GET(`${OWN}/me`)),
    enabled: key !== null,
    staleTime: Infinity,
  });
}

/** What the key of this tab may do; what it may not is not shown. */
export interface May {
  /** Change projects, images, tags; train, publish, export. */
  write: boolean;
  /** Make projects and copies of them, which a key of one project may not. */
  create: boolean;
  /** Keys, the audit log, jobs and workers. */
  administer: boolean;
}

export function useMay(): May {
  const me = useMe().data;
  const write = me?.scope === "admin" || me?.scope === "training";
  return { write, create: write && me.projectId === null, administer: me?.scope === "admin" };
}

export function useProject(project: string, enabled = true): UseQueryResult<Schemas["ProjectSummary"]> {
  return useQuery({
    enabled,
    queryKey: keys.summary(project),
    queryFn: () => dataOf(api.GET(`${OWN}/projects/{project_id}`, { params: { path: { project_id: project } } })),
  });
}

export function useDomains(): UseQueryResult<Schemas["Domain"][]> {
  return useQuery({
    queryKey: keys.domains,
    queryFn: () => dataOf(api.GET(`${TRAINING}/domains`)),
    staleTime: Infinity,
  });
}

/** The domains with when to choose each, and what its iterations can be exported to. */
export function useDomainChoices(): UseQueryResult<Schemas["DomainChoice"][]> {
  return useQuery({
    queryKey: [...keys.domains, "choices"],
    queryFn: () => dataOf(api.GET(`${OWN}/domains`)),
    staleTime: Infinity,
  });
}

export function useTags(project: string): UseQueryResult<Schemas["Tag"][]> {
  return useQuery({
    queryKey: keys.tags(project),
    queryFn: async () => {
      const tags = await dataOf(api.GET(`${PROJECT}/tags`, { params: { path: { project_id: project } } }));
      orderTags(tags.map(({ id }) => id));
      return tags;
    },
  });
}

/** All iterations, the newest first; read often while one of them trains. */
export function useIterations(project: string): UseQueryResult<Schemas["Iteration"][]> {
  return useQuery({
    queryKey: keys.iterations(project),
    queryFn: async () => {
      const found = await dataOf(
        api.GET(`${PROJECT}/iterations`, { params: { path: { project_id: project } } }),
      );
      return [...found].sort((one, other) => other.created.localeCompare(one.created));
    },
    refetchInterval: (query) => (query.state.data?.some(isUnderWay) ? UNDER_WAY_MS : false),
  });
}

export function useIteration(project: string, iteration: string): UseQueryResult<Schemas["Iteration"]> {
  return useQuery({
    queryKey: keys.iteration(project, iteration),
    queryFn: () =>
      dataOf(api.GET(ITERATION, { params: { path: { project_id: project, iteration_id: iteration } } })),
    refetchInterval: (query) => (query.state.data && isUnderWay(query.state.data) ? UNDER_WAY_MS : false),
  });
}

export function isUnderWay(iteration: Schemas["Iteration"]): boolean {
  return iteration.status === "Training";
}

export function isTrained(iteration: Schemas["Iteration"]): boolean {
  return iteration.status === "Completed" || iteration.status === "Exporting";
}

/** Whether a project finds objects with boxes (true), or says what a photo shows; undefined until known. */
export function useIsDetection(project: string): boolean | undefined {
  const settings = useProject(project).data?.settings;
  const domains = useDomains().data;
  if (!settings || !domains) return undefined;
  return domains.find((domain) => domain.id === settings.domainId)?.type === "ObjectDetection";
}
