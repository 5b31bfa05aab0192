/** The photos of a filter by their places: pages are read for what is seen, and given up when it is scrolled past. */
import { type QueryClient, useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

import { now } from "../labelling/clock";
import type { Labels } from "../labelling/store";
import { type Filter, addressOf, matches, queryOf } from "./filter";
import { KEPT_PAGES, Leavers, PAGE, pagesOf } from "./pages";

const SETTLED_MS = 70; // pages that are scrolled past within this time are not asked for
const AGED_MS = 5_000;

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
  /** Read the list again, without them. Returns how many were before a place. */
  renew: (place?: number) => number;
  retry: () => void;
}

export function usePhotos(project: string, filter: Filter, labels: Labels): Photos {
  const client = useQueryClient();
  const name = addressOf(filter).toString();
  const [generation, setGeneration] = useState(0);
  const list = useMemo(
    () => ({ leavers: new Leavers(), places: new Map<string, number>(), started: now() }),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- a new list for each of these
    [project, name, generation],
  );
  const [leftCount, setLeft] = useState(0);
  const [seen, setSeen] = useState<readonly [number, number]>([0, PAGE - 1]);
  const scope = useMemo(() => ["photos", project, name, generation], [project, name, generation]);

  const counting = useQuery({
    queryKey: [...keys.images(project), "count", name, generation],
    queryFn: async ({ signal }) => {
      await labels.idle();
      const left = list.leavers.size;
      const params = { path: { project_id: project }, query: queryOf(filter) };
      return left + (await dataOf(api.GET(`${PROJECT}/images/count`, { params, signal })));
    },
    placeholderData: (before) => before,
  });
  const count = counting.data;

  const pageOf = useCallback(
    (page: number) => ({
      queryKey: [...scope, page],
      queryFn: async ({ signal }: { signal: AbortSignal }): Promise<Page> => {
        await labels.idle();
        const asked = now();
        const skip = page * PAGE - list.leavers.before(page * PAGE);
        const query = { ...queryOf(filter), take: PAGE, skip };
        const params = { path: { project_id: project }, query };
        const found = await dataOf(api.GET(`${PROJECT}/images`, { params, signal }));
        found.forEach((photo, place) => list.places.set(photo.id, page * PAGE + place));
        return { photos: found.map((photo) => ({ ...photo, asked })) };
      },
      staleTime: Infinity,
      gcTime: Infinity,
      refetchOnWindowFocus: false,
    }),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `name` stands for the filter
    [scope, labels, list, name, project],
  );
  const margin = seen[1] - seen[0] + 1;
  const wanted = pagesOf(seen[0] - margin, seen[1] + margin, count ?? PAGE);
  const pages = useQueries({ queries: wanted.map(pageOf) });
  useEffect(() => forgetPages(client, scope, wanted, list.leavers));
  useEffect(
    () => () => {
      client.removeQueries({ queryKey: scope });
    },
    [client, scope],
  );

  const loaded = new Map(wanted.map((page, place) => [page, pages[place]?.data]));
  const pageData = (page: number): Page | undefined =>
    loaded.get(page) ?? client.getQueryData<Page>([...scope, page]);
  const photoAt = (place: number): Photo | undefined => pageData(Math.floor(place / PAGE))?.photos[place % PAGE];

  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const last = useRef(0);
  const onSeen = useCallback((first: number, end: number) => {
    clearTimeout(timer.current);
    const isResting = now() - last.current > SETTLED_MS * 2;
    last.current = now();
    if (isResting) setSeen([first, end]);
    else timer.current = setTimeout(() => setSeen([first, end]), SETTLED_MS);
  }, []);
  useEffect(() => () => clearTimeout(timer.current), []);

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
      const before = list.leavers.before(place);
      labels.tidy();
      setLeft(0);
      setGeneration((number) => number + 1);
      return before;
    },
    [labels, list],
  );
  const firstCount = useRef<{ list: typeof list; count: number } | null>(null);
  useEffect(() => {
    if (count === undefined || counting.isPlaceholderData) return;
    if (firstCount.current?.list !== list) firstCount.current = { list, count };
    else if (firstCount.current.count !== count) renew(); // others added or deleted photos
  }, [count, counting.isPlaceholderData, list, renew]);
  useEffect(() => {
    const look = (): void => {
      if (document.visibilityState === "visible" && now() - list.started > AGED_MS) renew();
    };
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [list, renew]);

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
    renew,
    retry: () => {
      void counting.refetch();
      for (const page of pages) if (page.error) void page.refetch();
    },
  };
}

/** Forget the pages that were not read for the longest time. */
function forgetPages(client: QueryClient, scope: readonly unknown[], wanted: readonly number[], left: Leavers): void {
  const kept = client.getQueryCache().findAll({ queryKey: scope, type: "inactive" });
  const surplus = kept.length + wanted.length - KEPT_PAGES;
  if (surplus <= 0) return;
  const oldest = kept.sort((one, other) => one.state.dataUpdatedAt - other.state.dataUpdatedAt);
  const free = oldest.filter((query) => !left.isOn(Number(query.queryKey.at(-1))));
  for (const query of free.slice(0, surplus)) client.getQueryCache().remove(query);
}
