import { Loader } from "@mantine/core";
import type Konva from "konva";
import { Konva as core } from "konva/lib/Core.js";
import "konva/lib/shapes/Image.js";
import "konva/lib/shapes/Rect.js";
import "konva/lib/shapes/Transformer.js";
import { useEffect, useRef } from "react";
import { Image as Picture, Layer, Rect as Shape, Stage, Transformer } from "react-konva/lib/ReactKonvaCore.js";

import { tagColour } from "@/components/tagColour";
import { texts } from "@/texts";

import type { Photo } from "../useImage";
import styles from "./BoxEditor.module.css";
import { LEAST, type Point, type Rect, cut, toPhoto } from "./geometry";
import { type Mark, Marks, NO_TAG } from "./Marks";
import type { Offer } from "./offers";
import type { Box } from "./plan";
import { useGestures } from "./useGestures";
import { useLoaded } from "./useLoaded";
import type { Looking } from "./useView";

core.dragButtons = [0]; // the middle one pans

interface Props {
  photo: Photo;
  boxes: readonly Box[];
  offers: readonly Offer[];
  /** The proposal that has the focus in the list. */
  pointed: string | null;
  selected: Box | undefined;
  looking: Looking;
  element: React.RefObject<HTMLDivElement | null>;
  nameOf: (tagId: string) => string;
  mayDraw: boolean;
  pans: boolean;
  /** Whether handles are made for fingers. */
  isCoarse: boolean;
  onDraw: (rect: Rect) => void;
  onClick: (at: Point) => void;
  /** The selected box was moved or resized. */
  onChange: (id: string, rect: Rect) => void;
}

/** The photo and its boxes, drawn with Konva. */
export function BoxCanvas(props: Props): React.JSX.Element {
  const { photo, boxes, selected, looking, element, mayDraw, pans } = props;
  const { view, stage } = looking;
  const picture = useLoaded(photo);
  const stageRef = useRef<Konva.Stage>(null);
  const shape = useRef<Konva.Rect>(null);
  const handles = useRef<Konva.Transformer>(null);
  const isInterrupted = useRef(false);
  const isChangeable = mayDraw && !pans && selected !== undefined;

  useEffect(() => {
    handles.current?.nodes(isChangeable && shape.current ? [shape.current] : []);
  }, [isChangeable, selected]);
  const selectedId = selected?.id;
  useEffect(() => setCursor(element.current, ""), [element, selectedId]); // it goes without being left

  const restore = (): void => {
    if (selected) place(shape.current, selected);
  };
  const { drawn, handlers } = useGestures({
    photo,
    looking,
    element,
    draws: mayDraw,
    pans,
    isHandled: (at) => stageRef.current?.getIntersection(at) != null,
    onInterrupt: () => {
      isInterrupted.current = true;
      if (shape.current?.isDragging()) shape.current.stopDrag();
      if (handles.current?.isTransforming()) handles.current.stopTransform();
      isInterrupted.current = false;
      restore();
    },
    onDraw: props.onDraw,
    onClick: props.onClick,
  });
  const settle = (): void => {
    const node = shape.current;
    if (!node || !selected || isInterrupted.current) return;
    const rect = cut(
      {
        left: node.x(),
        top: node.y(),
        width: node.width() * node.scaleX(),
        height: node.height() * node.scaleY(),
      },
      photo,
    );
    place(node, rect);
    props.onChange(selected.id, rect);
  };
  /** A click on the selected box may mean a smaller one in it. */
  const clickThrough = (): void => {
    const pointer = stageRef.current?.getPointerPosition();
    if (pointer) props.onClick(toPhoto(view, pointer));
  };
  /** Where the selected box may be moved, in pixels of the stage. */
  const withinPhoto = (to: Point): Point => {
    const { width, height } = selected ?? { width: 0, height: 0 };
    const limit = (value: number, start: number, room: number): number =>
      Math.max(start, Math.min(start + room * view.scale, value));
    return { x: limit(to.x, view.x, photo.width - width), y: limit(to.y, view.y, photo.height - height) };
  };
  const colourOf = (tagId: string | null): string => (tagId ? tagColour(tagId) : NO_TAG);
  const markOf = (box: Box): Mark => ({
    rect: box,
    colour: colourOf(box.tagId),
    dashed: box.tagId === null,
    label: box.tagId ? props.nameOf(box.tagId) : texts.photo.untagged,
  });
  const marks = [
    ...boxes.filter((box) => box.id !== selected?.id).map(markOf),
    ...props.offers.map((offer) => ({
      rect: offer,
      colour: colourOf(offer.tagId),
      dashed: true,
      filled: offer.id === props.pointed,
      label: offer.tagName ? `${offer.tagName} ${texts.common.percent(offer.probability)}?` : undefined,
    })),
  ];
  return (
    <div
      ref={element}
      className={styles["stage"]}
      role="group"
      aria-label={texts.photo.editor}
      tabIndex={-1}
      data-pans={pans || !mayDraw || undefined}
      data-view={`${view.scale} ${view.x} ${view.y}`}
      data-loaded={picture ? true : undefined}
      {...handlers}
    >
      {!picture && <Loader className={styles["loader"]} aria-label={texts.common.loading} />}
      {stage.width > 0 && (
        <Stage
          ref={stageRef}
          width={stage.width}
          height={stage.height}
          x={view.x}
          y={view.y}
          scaleX={view.scale}
          scaleY={view.scale}
        >
          <Layer listening={false} imageSmoothingEnabled={view.scale < 4}>
            {picture && <Picture image={picture} width={photo.width} height={photo.height} />}
          </Layer>
          <Layer listening={false}>
            <Marks marks={marks} scale={view.scale} />
          </Layer>
          <Layer>
            {selected && (
              <Shape
                ref={shape}
                x={selected.left}
                y={selected.top}
                width={selected.width}
                height={selected.height}
                stroke={colourOf(selected.tagId)}
                strokeWidth={3}
                strokeScaleEnabled={false}
                fill={`${colourOf(selected.tagId)}33`}
                draggable={isChangeable}
                listening={isChangeable}
                dragBoundFunc={withinPhoto}
                onClick={clickThrough}
                onTap={clickThrough}
                onDragEnd={settle}
                onTransformEnd={settle}
                onMouseEnter={() => setCursor(element.current, "move")}
                onMouseLeave={() => setCursor(element.current, "")}
              />
            )}
            {selected && <Marks marks={[{ ...markOf(selected), isLabel: true }]} scale={view.scale} />}
            {drawn && <Marks marks={[{ rect: drawn, colour: NO_TAG, dashed: true }]} scale={view.scale} />}
            {isChangeable && (
              <Transformer
                ref={handles}
                rotateEnabled={false}
                keepRatio={false}
                flipEnabled={false}
                ignoreStroke
                borderEnabled={false}
                anchorSize={props.isCoarse ? 20 : 10}
                anchorCornerRadius={props.isCoarse ? 10 : 2}
                anchorStroke={colourOf(selected.tagId)}
                anchorStrokeWidth={2}
                boundBoxFunc={(_, to) => {
                  const left = Math.max(view.x, to.x);
                  const top = Math.max(view.y, to.y);
                  const right = Math.min(view.x + photo.width * view.scale, to.x + to.width);
                  const bottom = Math.min(view.y + photo.height * view.scale, to.y + to.height);
                  const least = Math.max(LEAST * view.scale, 1);
                  const width = Math.max(least, right - left);
                  const height = Math.max(least, bottom - top);
                  return { x: left, y: top, width, height, rotation: 0 };
                }}
              />
            )}
          </Layer>
        </Stage>
      )}
    </div>
  );
}

function place(node: Konva.Rect | null, { left, top, width, height }: Rect): void {
  node?.setAttrs({ x: left, y: top, width, height, scaleX: 1, scaleY: 1 });
}

function setCursor(element: HTMLElement | null, cursor: string): void {
  if (element) element.style.cursor = cursor;
}
