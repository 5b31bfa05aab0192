import { memo } from "react";
import { Label, Rect as Shape, Tag, Text } from "react-konva/lib/ReactKonvaCore.js";

import { type Rect, sameRect } from "./geometry";

/** Of a box without a tag. */
export const NO_TAG = "#333333";

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
const FONT_SIZE = 12;
const PADDING = 3;
const HIGH = FONT_SIZE + 2 * PADDING;
const LETTERS = 28;

interface ShapeProps {
  rect: Rect;
  colour: string;
  dashed?: boolean;
  filled?: boolean;
}

/** A box that is only looked at: a line in its tag's colour on a bright one, to be seen on any photo. */
export const BoxShape = memo(
  function BoxShape({ rect, colour, dashed = false, filled = false }: ShapeProps): React.JSX.Element {
    const common = { x: rect.left, y: rect.top, width: rect.width, height: rect.height, listening: false };
    return (
      <>
        <Shape {...common} stroke="rgb(255 255 255 / 75%)" strokeWidth={4} strokeScaleEnabled={false} />
        <Shape
          {...common}
          stroke={colour}
          strokeWidth={2}
          strokeScaleEnabled={false}
          dash={[7, 5]}
          dashEnabled={dashed}
          fill={`${colour}40`}
          fillEnabled={filled}
        />
      </>
    );
  },
  (before, after) =>
    before.colour === after.colour &&
    before.dashed === after.dashed &&
    before.filled === after.filled &&
    sameRect(before.rect, after.rect, 0),
);

interface LabelProps {
  rect: Rect;
  colour: string;
  text: string;
  /** Of the photo on the screen: letters keep their size. */
  scale: number;
}

export const BoxLabel = memo(function BoxLabel({ rect, colour, text, scale }: LabelProps): React.JSX.Element {
  const isInside = rect.top * scale < HIGH;
  return (
    <Label
      x={rect.left}
      y={isInside ? rect.top : rect.top - HIGH / scale}
      scaleX={1 / scale}
      scaleY={1 / scale}
      listening={false}
    >
      <Tag fill={colour} cornerRadius={2} />
      <Text
        text={text.length > LETTERS ? `${text.slice(0, LETTERS - 1)}…` : text}
        fontFamily={FONT}
        fontSize={FONT_SIZE}
        padding={PADDING}
        fill="white"
        wrap="none"
      />
    </Label>
  );
});
