/** The photos of a filter by their places: pages are read for what is seen, and given up when it is scrolled past. */
import { useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

import { now } from "../labelling/clock";
import type { Labels } from "../labelling/store";
import { type Filter, addressOf, matches, queryOf } from "./filter";
import { Leavers, PAGE, pagesOf } from "./pages";
import { forgetLists, forgetPages, readAgain } from "./pageCache";
import { useReturns } from "./useReturns";
import { useSeen } from "./useSeen";

export type Photo = Schemas["Image"] & { asked: number };

interface Page {
  photos: readonly Photo[];
}

export interface Photos {
  count: number | undefined;
  error: unknown;
  photoAt: (place: number) => Photo | undefined;
  placeOf: (id: string) => number | undefined;
  onSeen: (first: number, last: number) => void;
  /** The photos from a place to another, read if need be. */
  range: (first: number, last: number) => Promise<Photo[]>;
  /** Photos that are shown but belong to the list no longer. */
  left: number;
  /** How many photos more, or less, there are on the server, which are not shown while the list is held. */
  changed: number;
  /** Read the list again, as it is now. Returns how many photos before a place will no longer be there. */
  renew: (place?: number) => number;
  retry: () => void;
}

/** @param isHeld whether the places of photos must not change now, because someone works with them. */
export function usePhotos(project: string, filter: Filter, labels: Labels, isHeld: () => boolean): Photos {
  const client = useQueryClient();
  const name = addressOf(filter).toString();
  const [generation, setGeneration] = useState(0);
  const list = useMemo(
    () => ({ leavers: new Leavers(), places: new Map<string, number>() }),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- a new list for each of these
    [project, name, generation],
  );
  const [leftCount, setLeft] = useState(0);
  const [held, setHeld] = useState<{ count: number; list: typeof list } | null>(null);
  const [seen, onSeen] = useSeen();
  const scope = useMemo(() => ["photos", project, name, generation], [project, name, generation]);
  const before = ["photos", project, name, generation - 1];

  const counting = useQuery({
    queryKey: [...keys.images(project), "count", name, generation],
    queryFn: ({ signal }) =>
      labels.whileStill(async (pending) => {
        const params = { path: { project_id: project }, query: queryOf(filter) };
        const known = list.leavers.known(pending);
        return known + (await dataOf(api.GET(`${PROJECT}/images/count`, { params, signal })));
      }),
    placeholderData: (earlier) => earlier,
  });
  const there = counting.data;
  const isHeldBack = held !== null && held.list === list;
  const count = isHeldBack ? held.count : there;

  const pageOf = useCallback(
    (page: number) => ({
      queryKey: [...scope, page],
      queryFn: ({ signal }: { signal: AbortSignal }): Promise<Page> =>
        labels.whileStill(async (pending) => {
          const asked = now();
          const skip = list.leavers.skipOf(page * PAGE, pending);
          const query = { ...queryOf(filter), take: PAGE, skip };
          const params = { path: { project_id: project }, query };
          const found = await dataOf(api.GET(`${PROJECT}/images`, { params, signal }));
          found.forEach((photo, place) => list.places.set(photo.id, page * PAGE + place));
          return { photos: found.map((photo) => ({ ...photo, asked })) };
        }),
      staleTime: Infinity,
      gcTime: Infinity,
      refetchOnWindowFocus: false,
    }),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `name` stands for the filter
    [scope, labels, list, name, project],
  );
  const margin = Math.max(PAGE, seen[1] - seen[0] + 1);
  const wanted = pagesOf(seen[0] - margin, seen[1] + margin, count ?? PAGE);
  const pages = useQueries({ queries: wanted.map(pageOf) });
  useEffect(() => forgetPages(client, scope, wanted, list.leavers));
  useEffect(() => forgetLists(client, scope), [client, scope]);
  useEffect(() => () => forgetLists(client, null), [client]);

  const loaded = new Map(wanted.map((page, place) => [page, pages[place]?.data]));
  const pageData = (page: number): Page | undefined =>
    loaded.get(page) ??
    client.getQueryData<Page>([...scope, page]) ??
    client.getQueryData<Page>([...before, page]); // rather than nothing, until it is read again
  const photoAt = (place: number): Photo | undefined => pageData(Math.floor(place / PAGE))?.photos[place % PAGE];

  useEffect(() => {
    return labels.hear((imageIds) => {
      for (const id of imageIds) {
        const place = list.places.get(id);
        if (place === undefined) continue;
        const photo = client.getQueryData<Page>([...scope, Math.floor(place / PAGE)])?.photos[place % PAGE];
        if (photo) list.leavers.set(id, place, !matches(filter, labels.tagsOf({ ...photo, tags: photo.tags ?? [] })));
      }
      setLeft(list.leavers.size);
    });
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `name` stands for the filter
  }, [client, labels, list, scope, name]);

  const renew = useCallback(
    (place = 0): number => {
      const gone = list.leavers.before(place);
      labels.tidy();
      setLeft(0);
      setGeneration((number) => number + 1);
      return gone;
    },
    [labels, list],
  );
  const firstCount = useRef<{ list: typeof list; count: number } | null>(null);
  useEffect(() => {
    if (there === undefined || counting.isPlaceholderData) return;
    const first = firstCount.current;
    if (first?.list !== list) firstCount.current = { list, count: there };
    else if (first.count === there) setHeld(null);
    else if (isHeld()) {
      list.leavers.comeBefore(filter.oldest ? 0 : Math.max(0, there - first.count));
      setHeld(first);
    } else renew();
  }, [there, counting.isPlaceholderData, list, renew, isHeld, filter.oldest]);
  const { refetch } = counting;
  const isOnShow = useCallback(async () => {
    void client.invalidateQueries({ queryKey: keys.tags(project) });
    void client.invalidateQueries({ queryKey: keys.summary(project) });
    if (!isHeld()) return void renew();
    await refetch();
    readAgain(client, scope, list.leavers);
  }, [client, project, isHeld, renew, refetch, scope, list]);
  useReturns(isOnShow);

  return {
    count,
    error: counting.error ?? pages.find((page) => page.error)?.error ?? null,
    photoAt,
    placeOf: (id) => list.places.get(id),
    onSeen,
    range: async (first, end) => {
      const found = await Promise.all(pagesOf(first, end, count ?? 0).map((page) => client.fetchQuery(pageOf(page))));
      const start = Math.floor(first / PAGE) * PAGE;
      return found.flatMap((page) => page.photos).slice(first - start, end - start + 1);
    },
    left: leftCount,
    changed: isHeldBack ? (there ?? held.count) - held.count : 0,
    renew,
    retry: () => {
      void counting.refetch();
      for (const page of pages) if (page.error) void page.refetch();
    },
  };
}
