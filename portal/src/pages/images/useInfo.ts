import { type UseQueryResult, useQuery } from "@tanstack/react-query";

import { OWN, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

/** What the server is and allows. */
export function useInfo(): UseQueryResult<Schemas["Info"]> {
  return useQuery({ queryKey: keys.info, queryFn: () => dataOf(api.GET(`${OWN}/info`)), staleTime: 60_000 });
}
