/** What part of the photo the stage shows: all of it, until the user zooms or pans. */
import { useCallback, useLayoutEffect, useMemo, useState } from "react";

import { type Point, type Size, type View, fitted, panned, zoomed } from "./geometry";

export interface Looking {
  view: View;
  stage: Size;
  zoom: (factor: number, around?: Point) => void;
  pan: (by: Point) => void;
  fit: () => void;
}

const NOTHING: Size = { width: 0, height: 0 };

export function useView(photo: Size, element: React.RefObject<HTMLElement | null>): Looking {
  const stage = useSize(element);
  const { width, height } = photo;
  const whole = useMemo(() => fitted({ width, height }, stage), [width, height, stage]);
  const [own, setOwn] = useState<View | null>(null);
  const zoom = useCallback(
    (factor: number, around: Point = { x: stage.width / 2, y: stage.height / 2 }) =>
      setOwn((view) => {
        const next = zoomed(view ?? whole, factor, around, whole.scale);
        return next.scale <= whole.scale ? null : panned(next, { x: 0, y: 0 }, { width, height }, stage);
      }),
    [whole, stage, width, height],
  );
  const pan = useCallback(
    (by: Point) => setOwn((view) => view && panned(view, by, { width, height }, stage)),
    [width, height, stage],
  );
  const fit = useCallback(() => setOwn(null), []);
  return { view: own ?? whole, stage, zoom, pan, fit };
}

function useSize(element: React.RefObject<HTMLElement | null>): Size {
  const [size, setSize] = useState<Size>(NOTHING);
  useLayoutEffect(() => {
    const watched = element.current;
    if (!watched) return;
    const read = (): void => {
      const { clientWidth, clientHeight } = watched;
      setSize((before) =>
        before.width === clientWidth && before.height === clientHeight
          ? before
          : { width: clientWidth, height: clientHeight },
      );
    };
    read();
    const observer = new ResizeObserver(read);
    observer.observe(watched);
    return () => observer.disconnect();
  }, [element]);
  return size;
}
