import type { Context } from "konva/lib/Context.js";
import { Shape } from "react-konva/lib/ReactKonvaCore.js";

import type { Rect } from "./geometry";

/** A box as it is drawn. */
export interface Mark {
  rect: Rect;
  colour: string;
  dashed?: boolean;
  filled?: boolean;
  label?: string;
  /** Whether the label alone is drawn. */
  isLabel?: boolean;
}

/** Of a box without a tag. */
export const NO_TAG = "#333333";

const FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
const LABEL_HIGH = 18;
const PADDING = 4;
const BASE_LINE = 13;
const LETTERS = 28;

interface Props {
  marks: readonly Mark[];
  /** Of the photo on the screen: lines and letters keep their size. */
  scale: number;
}

/** Boxes that are only looked at, in one shape of the canvas: hundreds of them follow a zoom at once. */
export function Marks({ marks, scale }: Props): React.JSX.Element {
  return (
    <Shape
      listening={false}
      perfectDrawEnabled={false}
      sceneFunc={(context: Context) => {
        const pen = context._context as CanvasRenderingContext2D;
        pen.save();
        for (const mark of marks) if (!mark.isLabel) outline(pen, mark, scale);
        pen.scale(1 / scale, 1 / scale);
        pen.font = FONT;
        for (const mark of marks) if (mark.label) write(pen, mark, mark.label, scale);
        pen.restore();
      }}
    />
  );
}

/** A line in the tag's colour on a bright one, to be seen on any photo. */
function outline(pen: CanvasRenderingContext2D, { rect, colour, dashed, filled }: Mark, scale: number): void {
  const { left, top, width, height } = rect;
  if (filled) {
    pen.fillStyle = `${colour}40`;
    pen.fillRect(left, top, width, height);
  }
  pen.setLineDash([]);
  pen.strokeStyle = "rgb(255 255 255 / 75%)";
  pen.lineWidth = 4 / scale;
  pen.strokeRect(left, top, width, height);
  if (dashed) pen.setLineDash([7 / scale, 5 / scale]);
  pen.strokeStyle = colour;
  pen.lineWidth = 2 / scale;
  pen.strokeRect(left, top, width, height);
}

/** The label lies above the box; at the photo's upper edge in it. */
function write(pen: CanvasRenderingContext2D, { rect, colour }: Mark, label: string, scale: number): void {
  const text = label.length > LETTERS ? `${label.slice(0, LETTERS - 1)}…` : label;
  const left = rect.left * scale;
  const top = rect.top * scale - (rect.top * scale < LABEL_HIGH ? 0 : LABEL_HIGH);
  pen.fillStyle = colour;
  pen.fillRect(left, top, pen.measureText(text).width + 2 * PADDING, LABEL_HIGH);
  pen.fillStyle = "white";
  pen.fillText(text, left + PADDING, top + BASE_LINE);
}
