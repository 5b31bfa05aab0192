import { useCallback, useEffect, useRef, useState } from "react";

import { now } from "../labelling/clock";
import { PAGE } from "./pages";

const CALM_MS = 80; // while someone scrolls, pages are asked for this often

/** The places that are seen, and what hears of them from the grid. */
export function useSeen(): [readonly [number, number], (first: number, last: number) => void] {
  const [seen, setSeen] = useState<readonly [number, number]>([0, PAGE - 1]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const last = useRef(-Infinity);
  const hear = useCallback((first: number, end: number) => {
    clearTimeout(timer.current);
    const show = (): void => {
      last.current = now();
      setSeen([first, end]);
    };
    const wait = last.current + CALM_MS - now();
    if (wait <= 0) show();
    else timer.current = setTimeout(show, wait);
  }, []);
  useEffect(() => () => clearTimeout(timer.current), []);
  return [seen, hear];
}
