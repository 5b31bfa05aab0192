import { useEffect, useRef } from "react";

import { now } from "../labelling/clock";

const AGED_MS = 5_000;

/** Called when someone comes back to the page from another tab or window: others may have worked meanwhile. */
export function useReturns(back: () => void): void {
  const last = useRef(now());
  useEffect(() => {
    const look = (): void => {
      if (document.visibilityState !== "visible" || now() - last.current < AGED_MS) return;
      last.current = now();
      back();
    };
    window.addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      window.removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
    };
  }, [back]);
}
