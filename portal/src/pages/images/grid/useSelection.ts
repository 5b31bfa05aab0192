/** The photos that are selected in a grid, by clicks and by keys. */
import { useCallback, useMemo, useRef, useState } from "react";

import { announceError } from "@/components/announce";
import type { Modifiers } from "@/components/PhotoGrid";

import { ALL, NOTHING, type Selection, flipped, holds, joined } from "./selection";
import type { Photo, Photos } from "./usePhotos";

export function useSelection(photos: Photos) {
  const [selection, setSelection] = useState<Selection>(NOTHING);
  const [known] = useState(() => new Map<string, Photo>());
  const anchor = useRef(0);
  const { photoAt, range } = photos;

  const pick = (place: number, { shift, control }: Modifiers, tick: boolean, focused: number): void => {
    const photo = photoAt(place);
    if (shift) {
      const from = selection.all || selection.ids.size > 0 ? anchor.current : focused;
      anchor.current = from;
      void range(Math.min(from, place), Math.max(from, place)).then((found) => {
        for (const one of found) known.set(one.id, one);
        setSelection((before) => joined(before, found.map((one) => one.id)));
      }, announceError);
      return;
    }
    anchor.current = place;
    if (!photo) return;
    known.set(photo.id, photo);
    if (tick || control) setSelection((before) => flipped(before, photo.id));
    else setSelection(NOTHING);
  };
  const view = useMemo(() => ({ has: (id: string) => holds(selection, id) }), [selection]);
  return {
    selection,
    /** For the grid. */
    view,
    known,
    pick,
    all: useCallback(() => setSelection(ALL), []),
    clear: useCallback(() => {
      known.clear();
      setSelection(NOTHING);
    }, [known]),
  };
}
