import { useCallback, useEffect, useRef, useState } from "react";

import { now } from "../labelling/clock";
import { PAGE } from "./pages";

const SETTLED_MS = 70; // what is scrolled past within this time is not asked for

/** The places that are seen, and what hears of them from the grid. */
export function useSeen(): [readonly [number, number], (first: number, last: number) => void] {
  const [seen, setSeen] = useState<readonly [number, number]>([0, PAGE - 1]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const last = useRef(0);
  const hear = useCallback((first: number, end: number) => {
    clearTimeout(timer.current);
    const isResting = now() - last.current > SETTLED_MS * 2;
    last.current = now();
    if (isResting) setSeen([first, end]);
    else timer.current = setTimeout(() => setSeen([first, end]), SETTLED_MS);
  }, []);
  useEffect(() => () => clearTimeout(timer.current), []);
  return [seen, hear];
}
