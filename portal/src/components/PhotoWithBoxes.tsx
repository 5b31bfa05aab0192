import { texts } from "@/texts";

import styles from "./PhotoWithBoxes.module.css";

export interface ShownBox {
  tagName: string;
  probability?: number;
  /** Shares of the photo's width and height, 0 to 1. */
  boundingBox: { left: number; top: number; width: number; height: number };
  colour?: string;
  dashed?: boolean;
}

interface Props {
  src: string;
  alt: string;
  boxes: readonly ShownBox[];
}

/** A photo with the boxes that were drawn or found on it. */
export function PhotoWithBoxes({ src, alt, boxes }: Props): React.JSX.Element {
  return (
    <div className={styles["frame"]}>
      <img src={src} alt={alt} className={styles["photo"]} />
      {boxes.map(({ tagName, probability, boundingBox, colour = "#e64980", dashed }, place) => (
        <div
          key={place}
          className={styles["box"]}
          style={{
            left: `${boundingBox.left * 100}%`,
            top: `${boundingBox.top * 100}%`,
            width: `${boundingBox.width * 100}%`,
            height: `${boundingBox.height * 100}%`,
            borderColor: colour,
            borderStyle: dashed ? "dashed" : "solid",
          }}
        >
          <span className={styles["label"]}>
            {probability === undefined ? tagName : `${tagName} ${texts.common.percent(probability)}`}
          </span>
        </div>
      ))}
    </div>
  );
}
