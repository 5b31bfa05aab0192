/** The ways from a photo: to those beside it, back to the gallery, and what deletes it. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { useLocation, useNavigate, useSearchParams } from "react-router";

import { PROJECT, api } from "@/api/client";
import { keys } from "@/api/keys";
import { announce, announceError } from "@/components/announce";
import { confirm } from "@/components/confirm";
import { texts } from "@/texts";

import { type Filter, filterOf } from "../images/grid/filter";
import { placeIn } from "../images/grid/photoPlace";
import { flushAll, forgetBoxes } from "./boxes/stores";
import { type Way, useTrail } from "./trail/useTrail";
import { useImage } from "./useImage";

/** As long as the gallery waits for boxes to be saved, which go on being saved afterwards. */
const PATIENCE_MS = 1000;

export interface Steps {
  filter: Filter;
  way: Way;
  previous: () => void;
  next: () => void;
  back: () => void;
  /** Ask, then delete the photo. */
  remove: () => void;
  isDeleting: boolean;
}

export function useSteps(project: string, imageId: string): Steps {
  const [address] = useSearchParams();
  const search = address.toString();
  const filter = useMemo(() => filterOf(new URLSearchParams(search)), [search]);
  const go = useNavigate();
  const client = useQueryClient();
  const hint = placeIn(useLocation().state);
  const photo = useImage(project, imageId, filter.iteration).data;
  const way = useTrail(project, filter, imageId, photo, hint);
  const to = (id: string | null): void => {
    if (id === null) return;
    void flushAll();
    void go({ pathname: `/projects/${project}/images/${id}`, search }, { replace: true });
  };
  const toGallery = async (): Promise<void> => {
    await Promise.race([flushAll(), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
    await go({ pathname: `/projects/${project}/images`, search }, { state: { place: way.place ?? hint } });
  };
  const remove = useMutation({
    mutationFn: () =>
      api.DELETE(`${PROJECT}/images`, { params: { path: { project_id: project }, query: { imageIds: [imageId] } } }),
    onSuccess: async () => {
      const following = way.after ?? way.before;
      way.forget(imageId);
      forgetBoxes(imageId);
      announce(texts.photo.deleted);
      if (following) to(following);
      else await toGallery();
      for (const queryKey of [keys.images(project), keys.tags(project), keys.summary(project)]) {
        void client.invalidateQueries({ queryKey });
      }
    },
    onError: announceError,
  });
  return {
    filter,
    way,
    previous: () => to(way.before),
    next: () => to(way.after),
    back: () => void toGallery(),
    remove: () =>
      confirm({
        title: texts.photo.deleteTitle,
        text: texts.photo.deleteText,
        confirmed: () => remove.mutate(),
      }),
    isDeleting: remove.isPending,
  };
}
