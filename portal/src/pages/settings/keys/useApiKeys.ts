/** The keys of the server, or of one project: listed, made, replaced and revoked. */
import { type UseMutationResult, useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { OWN, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";
import { useMe } from "@/api/shared";
import { signIn, signOut } from "@/api/session";

export type Key = Schemas["Key"];
export type NewKey = Schemas["NewKey"];

const PAGE = 256;

/** All keys, ended ones too; each page is asked for when the one before has arrived. */
export function useApiKeys(projectId?: string, enabled = true) {
  const pages = useInfiniteQuery({
    queryKey: [...keys.apiKeys, projectId ?? "all"],
    enabled,
    queryFn: ({ pageParam }) =>
      dataOf(api.GET(`${OWN}/keys`, { params: { query: { projectId, take: PAGE, continuation: pageParam } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.continuation ?? undefined,
  });
  const { hasNextPage, isFetching, isError, fetchNextPage } = pages;
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [hasNextPage, isFetching, isError, fetchNextPage]);
  return {
    found: pages.data?.pages.flatMap(({ results }) => results),
    error: pages.error,
    retry: () => void pages.refetch(),
  };
}

export function useCreateKey(): UseMutationResult<NewKey, Error, Schemas["KeyOptions"]> {
  const renew = useRenew();
  return useMutation({
    mutationFn: (body) => dataOf(api.POST(`${OWN}/keys`, { body })),
    onSuccess: renew,
  });
}

/**
 * Puts a new key in a key's place; if that is the key of this tab, the tab goes on with the new one.
 *
 * @param rotated is given the new key even if the list is read again by then, as it is after a change of the tab's key.
 */
export function useRotateKey(rotated: (made: NewKey) => void): UseMutationResult<NewKey, Error, string> {
  const client = useQueryClient();
  const renew = useRenew();
  const own = useMe().data?.id;
  return useMutation({
    mutationFn: (id) => dataOf(api.POST(`${OWN}/keys/{key_id}/rotate`, { params: { path: { key_id: id } } })),
    onSuccess: (made, replaced) => {
      rotated(made);
      if (replaced === own) {
        signIn(made.key);
        const { key, ...me } = made;
        client.setQueryData<Key>([...keys.me, key], me); // nobody is to wait for what is known
      }
      renew();
    },
  });
}

/** Ends a key; if that is the key of this tab, the tab is signed out. */
export function useRevokeKey(): UseMutationResult<unknown, Error, string> {
  const renew = useRenew();
  const own = useMe().data?.id;
  return useMutation({
    mutationFn: (id) => dataOf(api.DELETE(`${OWN}/keys/{key_id}`, { params: { path: { key_id: id } } })),
    onSuccess: (_, revoked) => {
      if (revoked === own) signOut();
      else renew();
    },
  });
}

function useRenew(): () => void {
  const client = useQueryClient();
  return () => {
    void client.invalidateQueries({ queryKey: keys.apiKeys });
    void client.invalidateQueries({ queryKey: keys.audit });
  };
}
