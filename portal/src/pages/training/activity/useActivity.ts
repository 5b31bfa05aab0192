/** Jobs and workers of the whole server, kept up to date while the page is open. */
import {
  type UseQueryResult,
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useEffect } from "react";

import { OWN, type Schemas, TRAINING, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

export type Job = Schemas["Job"];

export interface Filters {
  kind: Schemas["JobKind"] | null;
  projectId: string | null;
  /** How jobs ended; it matters to ended ones only. */
  state: Schemas["JobState"] | null;
}

const REFRESH_MS = 2000;
const WORKERS_MS = 5000;
const MOST_OPEN = 256;
const PAGE = 50;

/** Those that run, then those that wait, the next one first. */
export function useOpenJobs({ kind, projectId }: Filters): UseQueryResult<Job[]> {
  return useQuery({
    queryKey: [...keys.jobs, "open", kind, projectId],
    queryFn: async () => {
      const query = { kind, projectId, take: MOST_OPEN };
      const [running, waiting] = await Promise.all(
        (["Running", "Waiting"] as const).map((state) =>
          dataOf(api.GET(`${OWN}/jobs`, { params: { query: { ...query, state } } })),
        ),
      );
      return [...(running?.results ?? []), ...(waiting?.results ?? []).reverse()];
    },
    refetchInterval: REFRESH_MS,
    placeholderData: keepPreviousData,
  });
}

/** Jobs that have ended, the newest first; read again when an open one ends. */
export function useEndedJobs({ kind, projectId, state }: Filters, open: readonly Job[] | undefined) {
  const client = useQueryClient();
  const ended = useInfiniteQuery({
    queryKey: [...keys.jobs, "ended", kind, projectId, state],
    queryFn: ({ pageParam }) =>
      dataOf(
        api.GET(`${OWN}/jobs`, {
          params: { query: { kind, projectId, state, take: PAGE, continuation: pageParam } },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.continuation ?? undefined,
    placeholderData: keepPreviousData,
  });
  const ids = open?.map((job) => job.id).join();
  useEffect(() => {
    if (ids !== undefined) void client.invalidateQueries({ queryKey: [...keys.jobs, "ended"] });
  }, [client, ids]);
  const jobs = ended.data?.pages.flatMap(({ results }) => results).filter(isEnded);
  return { ...ended, jobs };
}

export function isEnded(job: Job): boolean {
  return job.state !== "Waiting" && job.state !== "Running";
}

/** An open job with its place in the queue and the time that is left. */
export function useJobDetails(id: string, wanted: boolean): UseQueryResult<Schemas["JobDetails"]> {
  return useQuery({
    queryKey: [...keys.jobs, "details", id],
    queryFn: () => dataOf(api.GET(`${OWN}/jobs/{job_id}`, { params: { path: { job_id: id } } })),
    refetchInterval: REFRESH_MS,
    enabled: wanted,
  });
}

export function useCancelJob() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      dataOf(api.POST(`${OWN}/jobs/{job_id}/cancel`, { params: { path: { job_id: id } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: keys.jobs }),
  });
}

export function useWorkers(wanted: boolean): UseQueryResult<Schemas["Worker"][]> {
  return useQuery({
    queryKey: [...keys.jobs, "workers"],
    queryFn: () => dataOf(api.GET(`${OWN}/workers`)),
    refetchInterval: WORKERS_MS,
    enabled: wanted,
  });
}

/** Names of all projects, to choose one. */
export function useProjectNames(): UseQueryResult<{ value: string; label: string }[]> {
  return useQuery({
    queryKey: [...keys.projects, "names"],
    queryFn: async () => {
      const found = await dataOf(api.GET(`${TRAINING}/projects`));
      return found.map(({ id, name }) => ({ value: id, label: name }));
    },
  });
}
