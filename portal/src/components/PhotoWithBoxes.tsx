import { texts } from "@/texts";

import styles from "./PhotoWithBoxes.module.css";
import { tagColour } from "./tagColour";

/** Fractions of a photo's width and height, from its upper left corner. */
export interface BoundingBox {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface ShownBox {
  tagName: string;
  tagId?: string;
  probability?: number;
  boundingBox: BoundingBox;
  /** By default that of the tag. */
  colour?: string;
  dashed?: boolean;
}

interface Props {
  src: string;
  alt: string;
  boxes: readonly ShownBox[];
  /** Of the photo in pixels: keeps its place free until it is loaded. */
  width?: number;
  height?: number;
  /** Whether tags are written at the boxes; screen readers always get them. */
  labels?: boolean;
  /** Whether it leaves half of the window's height to what is below, as dialogs need. */
  isBounded?: boolean;
}

const AT_THE_TOP = 0.08;

/** A photo with boxes drawn over it, to look at. */
export function PhotoWithBoxes(props: Props): React.JSX.Element {
  const { src, alt, boxes, width, height, labels = true, isBounded = false } = props;
  const said = boxes.map(labelOf).join(", ");
  return (
    <span className={styles["frame"]} data-bounded={isBounded || undefined}>
      <img
        className={styles["photo"]}
        src={src}
        alt={said ? `${alt}: ${said}` : alt}
        width={width}
        height={height}
        loading="lazy"
        decoding="async"
        draggable={false}
      />
      <svg className={styles["boxes"]} viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden>
        {boxes.map((box, place) => (
          <g key={place}>
            <rect className={styles["halo"]} {...placeOf(box)} />
            <rect
              className={styles["box"]}
              {...placeOf(box)}
              stroke={colourOf(box)}
              strokeDasharray={box.dashed ? "6 4" : undefined}
            />
          </g>
        ))}
      </svg>
      {labels &&
        boxes.map((box, place) => (
          <span
            key={place}
            aria-hidden
            className={styles["label"]}
            style={{
              left: `${box.boundingBox.left * 100}%`,
              top: `${box.boundingBox.top * 100}%`,
              background: colourOf(box),
              transform: box.boundingBox.top > AT_THE_TOP ? "translateY(-100%)" : undefined,
            }}
          >
            {labelOf(box)}
          </span>
        ))}
    </span>
  );
}

function placeOf({ boundingBox: { left, top, width, height } }: ShownBox) {
  return { x: left, y: top, width, height };
}

function colourOf({ colour, tagId, tagName }: ShownBox): string {
  return colour ?? tagColour(tagId ?? tagName);
}

function labelOf({ tagName, probability }: ShownBox): string {
  return probability === undefined ? tagName : `${tagName} ${texts.common.percent(probability)}`;
}
