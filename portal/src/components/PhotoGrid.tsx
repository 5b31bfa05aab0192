import { IconCheck, IconX } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

import { texts } from "@/texts";

import { moved } from "./gridKeys";
import styles from "./PhotoGrid.module.css";
import { useTouch } from "./useTouch";

const GAP = 8;
const ROWS_AHEAD = 3;

export interface GridPhoto {
  id: string;
  thumbnailUri: string;
  /** What a screen reader says of it, such as its tags. */
  label?: string;
  /** Framed in red. */
  wrong?: boolean;
}

export interface Modifiers {
  shift: boolean;
  control: boolean;
}

interface Props<P extends GridPhoto> {
  label: string;
  count: number;
  /** The photo at a place; undefined while it is not loaded. */
  photoAt: (place: number) => P | undefined;
  /** Pixels that a thumbnail is wide at least, and high. */
  size?: number;
  height?: number | string;
  selected?: { has: (id: string) => boolean };
  /** Whether a tap selects, as it does once photos are selected; else it opens the photo. */
  isSelecting?: boolean;
  /** The place that has the focus. */
  focused?: number;
  onFocus?: (place: number) => void;
  /** Whether the grid takes the focus, and shows its place, when it appears. */
  startsFocused?: boolean;
  /** A click on a photo, or on its tick; `tick` if that. */
  onPick?: (place: number, modifiers: Modifiers, tick: boolean) => void;
  onOpen?: (place: number) => void;
  /** Keys that the grid itself does not use. */
  onKey?: (event: React.KeyboardEvent, place: number) => void;
  /** The places that are seen, and what lies near them. */
  onSeen?: (first: number, last: number) => void;
  /** What is drawn over the lower edge of a photo. */
  over?: (photo: P) => React.ReactNode;
}

/** A grid of thumbnails that draws only what is seen, for any number of photos. */
export function PhotoGrid<P extends GridPhoto>(props: Props<P>): React.JSX.Element {
  const { count, photoAt, size = 150, selected, focused = 0, onSeen, onFocus } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const width = useWidth(scroller);
  const columns = Math.max(width < 480 ? 2 : 1, Math.floor((width + GAP) / (size + GAP)));
  const edge = Math.max(1, Math.floor((width - GAP * (columns - 1)) / columns));
  const rows = Math.ceil(count / columns);
  // eslint-disable-next-line react-hooks/incompatible-library -- its functions are read in this component only
  const virtual = useVirtualizer({
    count: width ? rows : 0,
    getScrollElement: () => scroller.current,
    estimateSize: () => edge + GAP,
    overscan: ROWS_AHEAD,
    paddingStart: 4,
    paddingEnd: 4,
  });
  useLayoutEffect(() => virtual.measure(), [virtual, edge, columns]);
  const wanted = useRef(props.startsFocused ?? false);
  const shown = virtual.getVirtualItems();
  const first = (shown[0]?.index ?? 0) * columns;
  const last = Math.min(count, ((shown.at(-1)?.index ?? -1) + 1) * columns) - 1;
  useEffect(() => {
    if (last >= first) onSeen?.(first, last);
  }, [first, last, onSeen]);
  useEffect(() => {
    if (!wanted.current || !width) return;
    virtual.scrollToIndex(Math.floor(focused / columns), { align: "auto" });
    const cell = scroller.current?.querySelector<HTMLElement>(`[data-place="${focused}"]`);
    if (!cell) return; // drawn after the scrolling
    cell.focus({ preventScroll: true });
    wanted.current = false;
  }, [virtual, focused, columns, width, first, last]);

  const seenRows = Math.max(1, Math.floor((scroller.current?.clientHeight ?? edge) / (edge + GAP)));
  const toKey = (event: React.KeyboardEvent): void => {
    const isModified = event.ctrlKey || event.metaKey;
    const to = event.altKey ? null : moved(event.key, focused, { count, columns, rows: seenRows }, isModified);
    if (to !== null) {
      event.preventDefault();
      wanted.current = true;
      if (event.shiftKey) props.onPick?.(to, { shift: true, control: isModified }, false);
      onFocus?.(to);
    } else if (event.key === "Enter") {
      event.preventDefault();
      props.onOpen?.(focused);
    } else if (event.key === " ") {
      event.preventDefault();
      props.onPick?.(focused, { shift: event.shiftKey, control: true }, true);
    } else {
      wanted.current = true;
      props.onKey?.(event, focused);
    }
  };
  const { onPick, onOpen, isSelecting = false } = props;
  const touch = useTouch(
    useCallback((place: number) => onPick?.(place, { shift: false, control: true }, true), [onPick]),
  );
  const { isTouch } = touch;
  const click = useCallback(
    (place: number, event: React.MouseEvent, tick: boolean) => {
      onFocus?.(place);
      const isTap = isTouch() && !tick;
      if (isTap ? !isSelecting : event.detail > 1 && !tick) return onOpen?.(place);
      onPick?.(place, { shift: event.shiftKey, control: event.ctrlKey || event.metaKey }, tick || isTap);
    },
    [onFocus, onPick, onOpen, isTouch, isSelecting],
  );
  const tabbable = focused >= first && focused <= last ? focused : first;
  return (
    <div
      ref={scroller}
      className={styles["grid"]}
      style={{ height: props.height ?? "60dvh" }}
      role="grid"
      aria-label={props.label}
      aria-rowcount={rows}
      aria-colcount={columns}
      aria-multiselectable={props.onPick ? true : undefined}
      onKeyDown={toKey}
      {...touch.handlers}
    >
      <div style={{ height: virtual.getTotalSize() }} role="presentation">
        {shown.map((row) => (
          <div
            key={row.key}
            role="row"
            aria-rowindex={row.index + 1}
            className={styles["row"]}
            style={{ height: edge, transform: `translateY(${row.start}px)` }}
          >
            {places(row.index, columns, count).map((place) => {
              const photo = photoAt(place);
              return (
                <Cell
                  key={place}
                  place={place}
                  column={place % columns}
                  edge={edge}
                  photo={photo}
                  isSelected={photo !== undefined && selected?.has(photo.id) === true}
                  isSelectable={onPick !== undefined}
                  isTabbable={place === tabbable}
                  over={photo && props.over?.(photo)}
                  click={click}
                />
              );
            })}
          </div>
        ))}
      </div>
    </div>
  );
}

interface CellProps {
  place: number;
  column: number;
  edge: number;
  photo: GridPhoto | undefined;
  isSelected: boolean;
  isSelectable: boolean;
  isTabbable: boolean;
  over: React.ReactNode;
  click: (place: number, event: React.MouseEvent, tick: boolean) => void;
}

const Cell = memo(function Cell(props: CellProps): React.JSX.Element {
  const { place, photo, click } = props;
  return (
    <div
      role="gridcell"
      className={styles["cell"]}
      style={{ width: props.edge, height: props.edge }}
      data-place={place}
      data-focused={props.isTabbable || undefined}
      data-wrong={photo?.wrong || undefined}
      data-loaded={photo ? true : undefined}
      tabIndex={props.isTabbable ? 0 : -1}
      aria-colindex={props.column + 1}
      aria-selected={props.isSelectable ? props.isSelected : undefined}
      aria-label={photo ? texts.images.photoAt(place + 1, photo.label ?? "", photo.wrong) : texts.common.loading}
      onClick={(event) => click(place, event, false)}
    >
      {photo && (
        <img className={styles["photo"]} src={photo.thumbnailUri} alt="" decoding="async" draggable={false} />
      )}
      {photo && props.isSelectable && (
        <span
          className={styles["tick"]}
          onClick={(event) => {
            event.stopPropagation();
            click(place, event, true);
          }}
        >
          <IconCheck size={14} stroke={3} aria-hidden />
        </span>
      )}
      {photo?.wrong && (
        <span className={styles["wrong"]}>
          <IconX size={14} stroke={3} aria-hidden />
        </span>
      )}
      <div className={styles["over"]}>{props.over}</div>
    </div>
  );
});

function places(row: number, columns: number, count: number): number[] {
  const first = row * columns;
  return Array.from({ length: Math.min(columns, count - first) }, (_, column) => first + column);
}

function useWidth(element: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const watched = element.current;
    if (!watched) return;
    const read = (): void => setWidth(watched.clientWidth);
    read();
    const observer = new ResizeObserver(read);
    observer.observe(watched);
    return () => observer.disconnect();
  }, [element]);
  return width;
}
