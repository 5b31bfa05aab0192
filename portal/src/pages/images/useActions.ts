/** What is done with photos: tags put on and taken off, photos deleted, one or a hundred thousand of them. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";
import { announceError } from "@/components/announce";
import { texts } from "@/texts";

import { type Filter, queryOf } from "./grid/filter";
import { type Selection, holds, sizeOf } from "./grid/selection";
import type { Photo, Photos } from "./grid/usePhotos";
import { now } from "./labelling/clock";
import { type Change, type TagRules, type Tagged, putOn, takeAllOff, takeOff, toggle } from "./labelling/changes";
import type { Labels } from "./labelling/store";

const WHOLE_PAGE = 256;

export interface Work {
  done: number;
  of: number;
}

interface Given {
  project: string;
  filter: Filter;
  photos: Photos;
  labels: Labels;
  rules: TagRules;
  tags: readonly Schemas["Tag"][];
  /** Photos that were chosen, by their ids. */
  known: ReadonlyMap<string, Photo>;
  selection: Selection;
}

export function useActions(given: Given) {
  const { project, filter, photos, labels, rules, tags, known, selection } = given;
  const client = useQueryClient();
  const [work, setWork] = useState<Work | null>(null);
  const path = { project_id: project };
  const count = sizeOf(selection, photos.count ?? 0);
  const nameOf = (tagId: string): string => tags.find((tag) => tag.id === tagId)?.name ?? "…";
  const tagged = (photo: Photo): Tagged => ({
    id: photo.id,
    tags: labels.tagsOf({ ...photo, tags: photo.tags ?? [] }),
  });

  /** The selected photos; without any, the one with the focus. */
  const targets = async (focused: Photo | undefined): Promise<Photo[]> => {
    if (count === 0) return focused ? [focused] : [];
    if (!selection.all) return [...selection.ids].flatMap((id) => known.get(id) ?? []);
    await labels.idle();
    const found: Photo[] = [];
    for (let skip = 0; ; skip += WHOLE_PAGE) {
      const asked = now();
      const query = { ...queryOf(filter), skip, take: WHOLE_PAGE };
      const page = await dataOf(api.GET(`${PROJECT}/images`, { params: { path, query } }));
      found.push(...page.map((photo) => ({ ...photo, asked })).filter((photo) => holds(selection, photo.id)));
      setWork({ done: found.length, of: count });
      if (page.length < WHOLE_PAGE) break;
    }
    setWork(null);
    if (found.length !== count) throw new Error(texts.images.changedMeanwhile);
    return found;
  };

  const label = (plan: (found: readonly Tagged[]) => { label: string; changes: Change[] }) => {
    return (focused: Photo | undefined): void => {
      if (count === 0 || !selection.all) {
        // At once, so that the next key finds what this one changed.
        const found = count === 0 ? (focused ? [focused] : []) : [...selection.ids].flatMap((id) => known.get(id) ?? []);
        labels.apply(plan(found.map(tagged)));
        return;
      }
      void targets(focused)
        .then(async (found) => {
          labels.apply(plan(found.map(tagged)));
          await labels.idle();
          photos.renew();
        })
        .catch(announceError)
        .finally(() => setWork(null));
    };
  };

  const remove = useMutation({
    mutationFn: async (focused: Photo | undefined): Promise<number> => {
      if (selection.all && filter.show === "all" && filter.tagIds.length === 0 && selection.ids.size === 0) {
        const there = await dataOf(api.GET(`${PROJECT}/images/count`, { params: { path } }));
        if (there !== count) throw new Error(texts.images.changedMeanwhile);
        await api.DELETE(`${PROJECT}/images`, { params: { path, query: { allImages: true } } });
        return count;
      }
      const ids = (await targets(focused)).map((photo) => photo.id);
      for (let start = 0; start < ids.length; start += WHOLE_PAGE) {
        setWork({ done: start, of: ids.length });
        const query = { imageIds: ids.slice(start, start + WHOLE_PAGE) };
        await api.DELETE(`${PROJECT}/images`, { params: { path, query } });
      }
      labels.forgetPhotos(ids);
      return ids.length;
    },
    onSettled: async () => {
      setWork(null);
      photos.renew();
      await Promise.all(
        [keys.images(project), keys.tags(project), keys.summary(project)].map((queryKey) =>
          client.invalidateQueries({ queryKey }),
        ),
      );
    },
    onError: announceError,
  });

  return {
    work,
    count,
    isDeleting: remove.isPending,
    remove: remove.mutate,
    /** How many of the photos to delete have tags; null if that is not known. */
    taggedAmong: (focused: Photo | undefined): number | null => {
      if (selection.all) return filter.show === "untagged" ? 0 : null;
      const found = count === 0 ? (focused ? [focused] : []) : [...selection.ids].flatMap((id) => known.get(id) ?? []);
      return found.filter((photo) => tagged(photo).tags.size > 0).length;
    },
    toggle: (tagId: string) =>
      label((found) => {
        const changes = toggle(found, tagId, rules);
        const isOff = changes.every((change) => !change.add);
        const text = isOff ? texts.images.stepUntag : texts.images.stepTag;
        return { label: text(found.length, nameOf(tagId)), changes };
      }),
    put: (tagId: string) =>
      label((found) => ({
        label: texts.images.stepTag(found.length, nameOf(tagId)),
        changes: putOn(found, tagId, rules),
      })),
    take: (tagId: string) =>
      label((found) => ({
        label: texts.images.stepUntag(found.length, nameOf(tagId)),
        changes: takeOff(found, tagId),
      })),
    takeAll: label((found) => ({ label: texts.images.stepUntagAll(found.length), changes: takeAllOff(found) })),
  };
}

export type Actions = ReturnType<typeof useActions>;
