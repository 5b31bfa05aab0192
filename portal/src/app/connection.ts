/** Whether the server answers: any request that fails to reach it starts a probe, which ends when it does. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { ApiError } from "@/api/errors";

const PROBE_MS = 1500;

export function useServerLost(): boolean {
  const client = useQueryClient();
  const [lost, setLost] = useState(false);
  useEffect(() => {
    const look = (error: unknown): void => {
      if (error instanceof ApiError && error.unreachable) setLost(true);
    };
    const ends = [
      client.getQueryCache().subscribe((event) => look(event.query.state.error)),
      client.getMutationCache().subscribe((event) => look(event.mutation?.state.error)),
    ];
    return () => {
      for (const end of ends) end();
    };
  }, [client]);
  useEffect(() => {
    if (!lost) return;
    const timer = setInterval(async () => {
      const answer = await fetch("/healthz", { cache: "no-store" }).catch(() => null);
      if (!answer?.ok) return;
      setLost(false);
      await client.invalidateQueries();
    }, PROBE_MS);
    return () => clearInterval(timer);
  }, [client, lost]);
  return lost;
}
