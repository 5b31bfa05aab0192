/** Pages of lists of photos in the cache of queries, whose keys are `["photos", project, filter, generation, page]`. */
import type { QueryClient } from "@tanstack/react-query";

import { KEPT_PAGES, type Leavers } from "./pages";

type Scope = readonly unknown[];
const LIST = ["photos"];

/** Forget the pages that were not read for the longest time. */
export function forgetPages(client: QueryClient, scope: Scope, wanted: readonly number[], left: Leavers): void {
  const kept = client.getQueryCache().findAll({ queryKey: scope, type: "inactive" });
  const surplus = kept.length + wanted.length - KEPT_PAGES;
  if (surplus <= 0) return;
  const oldest = kept.sort((one, other) => one.state.dataUpdatedAt - other.state.dataUpdatedAt);
  const free = oldest.filter((query) => !left.isOn(Number(query.queryKey.at(-1))));
  for (const query of free.slice(0, surplus)) client.getQueryCache().remove(query);
}

/** Forget all lists but this one and the one before, which is shown until this one is read. */
export function forgetLists(client: QueryClient, scope: Scope | null): void {
  const generation = Number(scope?.at(-1));
  client.removeQueries({
    queryKey: LIST,
    predicate: ({ queryKey }) => {
      const isSame = scope !== null && queryKey[1] === scope[1] && queryKey[2] === scope[2];
      return !isSame || Number(queryKey[3]) < generation - 1;
    },
  });
}

/** Read again what is seen; not where photos have left, since later ones would take their places. */
export function readAgain(client: QueryClient, scope: Scope, left: Leavers): void {
  void client.invalidateQueries({
    queryKey: scope,
    predicate: (query) => !left.isOn(Number(query.queryKey.at(-1))),
  });
}
