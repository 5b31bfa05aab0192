/** What is done with the boxes of a photo. */
import { useLocalStorage } from "@mantine/hooks";
import { useState } from "react";

import type { Schemas } from "@/api/client";
import { announceError } from "@/components/announce";
import { texts } from "@/texts";

import { type Point, type Rect, type Size, at, keyStep, middle, moved, resized } from "./geometry";
import type { Offer } from "./offers";
import { type Box, sameLook } from "./plan";
import type { BoxStore } from "./store";

interface Given {
  project: string;
  photo: Size;
  store: BoxStore;
  /** Those that boxes can have. */
  tags: readonly Schemas["Tag"][];
  /** Boxes that a photo takes. */
  most: number;
}

export function useEditing({ project, photo, store, tags, most }: Given) {
  const [selectedId, select] = useState<string | null>(null);
  const [said, say] = useState("");
  const [lastTag, keepTag] = useLocalStorage<string | null>({
    key: `dahlia.last-tag.${project}`,
    defaultValue: null,
    getInitialValueInEffect: false,
  });
  const { boxes } = store;
  const selected = boxes.find((box) => box.id === selectedId);
  const onlyTag = tags.length === 1 ? tags[0]?.id : undefined;
  const tagOfNew = tags.some((tag) => tag.id === lastTag) ? lastTag : (onlyTag ?? null);
  const nameOf = (tagId: string | null): string =>
    tagId === null ? texts.photo.untagged : (tags.find((tag) => tag.id === tagId)?.name ?? "…");

  const add = (rects: readonly (Rect & { tagId: string | null })[]): Box[] => {
    if (boxes.length + rects.length > most) {
      announceError(new Error(texts.photo.tooManyBoxes(most)));
      return [];
    }
    const added = rects.map(({ left, top, width, height, tagId }) => ({
      id: crypto.randomUUID(),
      tagId,
      left,
      top,
      width,
      height,
    }));
    store.change([...boxes, ...added]);
    const last = added.at(-1);
    if (last) select(last.id);
    return added;
  };
  const addOne = (rect: Rect, tagId: string | null): void => {
    const [box] = add([{ ...rect, tagId }]);
    if (box) say(texts.photo.drawn(nameOf(tagId), whereOf(box)));
  };
  const replace = (id: string, rect: Partial<Box>, kind: string | null = null): void => {
    store.change(
      boxes.map((box) => (box.id === id ? { ...box, ...rect } : box)),
      kind,
    );
  };
  return {
    boxes,
    selected,
    said,
    tagOfNew,
    nameOf,
    select,
    draw: (rect: Rect) => addOne(rect, tagOfNew),
    drawInMiddle: () => addOne(middle(photo), tagOfNew),
    accept: (offer: Offer) => addOne(offer, offer.tagId ?? tagOfNew),
    acceptAll: (offers: readonly Offer[]) => add(offers.map((offer) => ({ ...offer, tagId: offer.tagId ?? tagOfNew }))),
    /** Add boxes that are not there yet; returns how many were added. */
    copy: (others: readonly Box[]): number => {
      const fresh = others.filter((other) => other.tagId !== null && !boxes.some((box) => sameLook(box, other, 0.5)));
      return fresh.length === 0 ? 0 : add(fresh).length;
    },
    change: (id: string, rect: Rect) => {
      const before = boxes.find((box) => box.id === id);
      if (!before || sameLook({ ...before, ...rect }, before)) return;
      replace(id, rect);
      say(texts.photo.movedTo(whereOf(rect)));
    },
    nudge: (by: Point, fine: boolean, isSize: boolean) => {
      if (!selected) return;
      const step = keyStep(photo, fine);
      const rect = (isSize ? resized : moved)(selected, { x: by.x * step, y: by.y * step }, photo);
      replace(selected.id, rect, `${isSize ? "resize" : "move"} ${selected.id}`);
      say(texts.photo.movedTo(whereOf(rect)));
    },
    /** Of the selected box, and of those that are drawn after. */
    tag: (tagId: string) => {
      keepTag(tagId);
      if (!selected || selected.tagId === tagId) return;
      replace(selected.id, { tagId });
      say(texts.photo.tagged(nameOf(tagId)));
    },
    remove: (id: string) => {
      const gone = boxes.find((box) => box.id === id);
      if (!gone) return;
      store.change(boxes.filter((box) => box.id !== id));
      if (id === selectedId) select(null);
      say(texts.photo.removed(nameOf(gone.tagId)));
    },
    undo: () => {
      store.undo();
      say(texts.photo.undone);
    },
    redo: () => {
      store.redo();
      say(texts.photo.redone);
    },
    selectAt: (point: Point) => select(at(boxes, point)?.id ?? null),
  };
}

export type Editing = ReturnType<typeof useEditing>;

export function whereOf({ left, top, width, height }: Rect): string {
  return texts.photo.coordinates(left, top, width, height);
}
