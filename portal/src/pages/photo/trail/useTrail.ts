import { useEffect, useMemo, useState } from "react";

import { PROJECT, api, dataOf } from "@/api/client";

import { type Filter, addressOf, queryOf } from "../../images/grid/filter";
import { type Stop, Trail } from "./trail";

export interface Way {
  before: string | null;
  after: string | null;
  /** Counted from 0. */
  place: number | null;
  count: number;
  forget: (id: string) => void;
}

/**
 * The photos before and after one, in the order of the gallery.
 *
 * @param hint where it was seen in the gallery.
 */
export function useTrail(
  project: string,
  filter: Filter,
  imageId: string,
  photo: Stop | null | undefined,
  hint: number | null,
): Way {
  const name = addressOf(filter).toString();
  const trail = useMemo(
    () => new Trail(listingOf(project, filter)),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `name` stands for the filter
    [project, name],
  );
  const [, setRead] = useState(0);
  const id = photo?.id;
  const created = photo?.created;
  useEffect(() => {
    if (!id || !created) return;
    let isShown = true;
    // Without its neighbours a photo is shown all the same.
    void trail.around({ id, created }, hint).then(
      () => isShown && setRead((count) => count + 1),
      () => {},
    );
    return () => {
      isShown = false;
    };
  }, [trail, id, created, hint]);
  return {
    before: trail.before(imageId),
    after: trail.after(imageId),
    place: trail.placeOf(imageId),
    count: trail.count,
    forget: (gone) => trail.forget(gone),
  };
}

function listingOf(project: string, filter: Filter) {
  const path = { project_id: project };
  const asked = queryOf(filter);
  return {
    oldest: filter.oldest,
    count: () => dataOf(api.GET(`${PROJECT}/images/count`, { params: { path, query: asked } })),
    page: (skip: number, take: number) =>
      dataOf(api.GET(`${PROJECT}/images`, { params: { path, query: { ...asked, skip, take } } })),
  };
}
