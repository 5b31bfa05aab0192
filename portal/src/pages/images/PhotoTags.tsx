import { memo } from "react";

import { tagColour } from "@/components/tagColour";

import styles from "./ImagesPage.module.css";

const SHOWN = 3;

interface Props {
  /** Ids and names. */
  tags: readonly (readonly [string, string])[];
}

/** The tags of a photo, over its lower edge. */
export const PhotoTags = memo(
  function PhotoTags({ tags }: Props): React.JSX.Element {
    return (
      <div className={styles["tags"]}>
        {tags.slice(0, SHOWN).map(([id, name]) => (
          <span key={id} className={styles["tag"]}>
            <span className={styles["dot"]} style={{ background: tagColour(id) }} />
            {name}
          </span>
        ))}
        {tags.length > SHOWN && <span className={styles["tag"]}>+{tags.length - SHOWN}</span>}
      </div>
    );
  },
  (before, after) => before.tags.map(String).join("\n") === after.tags.map(String).join("\n"),
);
