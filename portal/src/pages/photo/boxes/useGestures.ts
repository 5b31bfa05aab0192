/** Drawing, clicking, panning and pinching on the stage, with mouse, pen and fingers. */
import { useEffect, useRef, useState } from "react";

import { LEAST_DRAWN, type Point, type Rect, type Size, between, distance, halfway, toPhoto } from "./geometry";
import type { Looking } from "./useView";

interface Given {
  photo: Size;
  looking: Looking;
  element: React.RefObject<HTMLElement | null>;
  /** Whether dragging draws; else it pans. */
  draws: boolean;
  /** Whether the space bar is held, which pans. */
  pans: boolean;
  /** Whether the selected box or one of its handles is at a point of the stage. */
  isHandled: (at: Point) => boolean;
  /** A second finger came: leave the selected box as it was. */
  onInterrupt: () => void;
  onDraw: (rect: Rect) => void;
  /** A click at a point of the photo. */
  onClick: (at: Point) => void;
}

type Gesture =
  | { kind: "draw"; pointer: number; from: Point }
  | { kind: "pan"; pointer: number; last: Point; start: Point }
  | { kind: "pinch"; middle: Point; apart: number }
  | { kind: "none" };

const WHEEL = 0.0016;
const WHEEL_PINCH = 0.01;

export function useGestures(given: Given) {
  const { photo, looking, element } = given;
  const [drawn, setDrawn] = useState<Rect | null>(null);
  const gesture = useRef<Gesture>({ kind: "none" });
  const pointers = useRef(new Map<number, Point>());
  const { zoom, pan } = looking;

  useEffect(() => {
    const stage = element.current;
    const turn = (event: WheelEvent): void => {
      event.preventDefault();
      const around = pointOf(event, stage);
      if (event.shiftKey) pan({ x: -event.deltaY - event.deltaX, y: 0 });
      // Trackpads say a pinch as a wheel with Control.
      else zoom(Math.exp(-event.deltaY * (event.ctrlKey ? WHEEL_PINCH : WHEEL)), around);
    };
    stage?.addEventListener("wheel", turn, { passive: false }); // React's listener could not prevent scrolling
    return () => stage?.removeEventListener("wheel", turn);
  }, [element, zoom, pan]);

  const cancel = (): void => {
    gesture.current = { kind: "none" };
    setDrawn(null);
  };
  const pinchOf = (): Gesture => {
    const [one, other] = [...pointers.current.values()];
    if (!one || !other) return { kind: "none" };
    return { kind: "pinch", middle: halfway(one, other), apart: Math.max(1, distance(one, other)) };
  };
  const onPointerDown = (event: React.PointerEvent): void => {
    const at = pointOf(event, element.current);
    element.current?.focus({ preventScroll: true });
    pointers.current.set(event.pointerId, at);
    if (pointers.current.size > 1) {
      setDrawn(null);
      given.onInterrupt();
      gesture.current = pointers.current.size === 2 ? pinchOf() : { kind: "none" };
      return;
    }
    const isMain = event.button === 0;
    if (event.button === 1 || (isMain && (given.pans || !given.draws))) {
      event.preventDefault();
      event.currentTarget.setPointerCapture(event.pointerId);
      gesture.current = { kind: "pan", pointer: event.pointerId, last: at, start: at };
    } else if (isMain && !given.isHandled(at)) {
      event.currentTarget.setPointerCapture(event.pointerId);
      gesture.current = { kind: "draw", pointer: event.pointerId, from: toPhoto(looking.view, at) };
    }
  };
  const onPointerMove = (event: React.PointerEvent): void => {
    if (!pointers.current.has(event.pointerId)) return;
    const at = pointOf(event, element.current);
    pointers.current.set(event.pointerId, at);
    const now = gesture.current;
    if (now.kind === "pinch") {
      const next = pinchOf();
      if (next.kind !== "pinch") return;
      pan({ x: next.middle.x - now.middle.x, y: next.middle.y - now.middle.y });
      zoom(next.apart / now.apart, next.middle);
      gesture.current = next;
    } else if (now.kind === "pan" && now.pointer === event.pointerId) {
      pan({ x: at.x - now.last.x, y: at.y - now.last.y });
      gesture.current = { ...now, last: at };
    } else if (now.kind === "draw" && now.pointer === event.pointerId) {
      setDrawn(between(now.from, toPhoto(looking.view, at), photo));
    }
  };
  const onPointerUp = (event: React.PointerEvent): void => {
    const at = pointOf(event, element.current);
    pointers.current.delete(event.pointerId);
    const now = gesture.current;
    if (now.kind === "draw" && now.pointer === event.pointerId) {
      const rect = between(now.from, toPhoto(looking.view, at), photo);
      const isClick = Math.min(rect.width, rect.height) * looking.view.scale < LEAST_DRAWN;
      cancel();
      if (isClick) given.onClick(now.from);
      else given.onDraw(rect);
    } else if (now.kind === "pan" && now.pointer === event.pointerId) {
      cancel();
      if (!given.pans && event.button === 0 && distance(now.start, at) < LEAST_DRAWN) {
        given.onClick(toPhoto(looking.view, at));
      }
    } else if (pointers.current.size === 0) {
      cancel();
    } else if (now.kind === "pinch") {
      gesture.current = { kind: "none" }; // the finger that stays draws nothing
    }
  };
  const onPointerCancel = (event: React.PointerEvent): void => {
    pointers.current.delete(event.pointerId);
    cancel();
  };
  return { drawn, cancel, handlers: { onPointerDown, onPointerMove, onPointerUp, onPointerCancel } };
}

function pointOf(event: { clientX: number; clientY: number }, element: HTMLElement | null): Point {
  const frame = element?.getBoundingClientRect();
  return { x: event.clientX - (frame?.left ?? 0), y: event.clientY - (frame?.top ?? 0) };
}
