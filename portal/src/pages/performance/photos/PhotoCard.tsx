import { Anchor, Paper, Text } from "@mantine/core";
import { Link } from "react-router";

import { PhotoWithBoxes, type ShownBox } from "@/components/PhotoWithBoxes";
import { texts } from "@/texts";

import styles from "./Photos.module.css";

export interface CardPhoto {
  /** Null if it was deleted. */
  imageId: string | null;
  src: string | null;
  /** What a screen reader says of it. */
  alt: string;
}

interface Props {
  project: string;
  photo: CardPhoto;
  boxes?: readonly ShownBox[];
  /** What is said and done below the photo. */
  children?: React.ReactNode;
}

/** A photo that opens its page, with what is to be said of it. */
export function PhotoCard({ project, photo, boxes, children }: Props): React.JSX.Element {
  const { imageId, src, alt } = photo;
  return (
    <Paper withBorder component="li" className={styles["card"]}>
      {imageId && src ? (
        <Anchor component={Link} to={`/projects/${project}/images/${imageId}`} className={styles["photo"]}>
          {boxes?.length ? (
            <PhotoWithBoxes src={src} alt={alt} boxes={boxes} labels={false} />
          ) : (
            <img src={src} alt={alt} loading="lazy" decoding="async" />
          )}
        </Anchor>
      ) : (
        <Text size="xs" c="dimmed" className={styles["gone"]}>
          {texts.performance.gone}
        </Text>
      )}
      <div className={styles["said"]}>{children}</div>
    </Paper>
  );
}
