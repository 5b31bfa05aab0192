/** Touches of what lies in a grid: a long press is told from a tap. */
import { useCallback, useMemo, useRef } from "react";

const LONG_MS = 450;
const SLACK = 10; // pixels that a finger may move

interface Press {
  timer: ReturnType<typeof setTimeout>;
  x: number;
  y: number;
}

export function useTouch(onLongPress: (place: number) => void) {
  const press = useRef<Press | null>(null);
  const wasLong = useRef(false);
  const byTouch = useRef(false);
  const end = useCallback(() => {
    if (press.current) clearTimeout(press.current.timer);
    press.current = null;
  }, []);
  const handlers = useMemo(
    () => ({
      onPointerDown: (event: React.PointerEvent) => {
        end();
        wasLong.current = false;
        byTouch.current = event.pointerType === "touch";
        const cell = (event.target as Element).closest<HTMLElement>("[data-place]");
        if (!byTouch.current || !cell) return;
        const timer = setTimeout(() => {
          press.current = null;
          wasLong.current = true;
          onLongPress(Number(cell.dataset["place"]));
        }, LONG_MS);
        press.current = { timer, x: event.clientX, y: event.clientY };
      },
      onPointerMove: ({ clientX, clientY }: React.PointerEvent) => {
        const { current } = press;
        if (current && Math.hypot(clientX - current.x, clientY - current.y) > SLACK) end();
      },
      onPointerUp: end,
      onPointerCancel: end,
      onContextMenu: (event: React.MouseEvent) => {
        if (byTouch.current) event.preventDefault(); // of the photo, which the long press would open
      },
      onClickCapture: (event: React.MouseEvent) => {
        if (wasLong.current) event.stopPropagation();
        wasLong.current = false;
      },
    }),
    [end, onLongPress],
  );
  return { handlers, isTouch: useCallback(() => byTouch.current, []) };
}
