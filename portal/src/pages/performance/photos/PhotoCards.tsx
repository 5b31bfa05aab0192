import { Button } from "@mantine/core";
import { useState } from "react";

import { texts } from "@/texts";

import styles from "./Photos.module.css";

interface Props<T> {
  label: string;
  items: readonly T[];
  /** How many are shown at first, and added by a click. */
  step?: number;
  card: (item: T, place: number) => React.ReactNode;
}

/** Cards of photos side by side, a number of them at a time. */
export function PhotoCards<T>({ label, items, step = 12, card }: Props<T>): React.JSX.Element {
  const [shown, setShown] = useState(step);
  const rest = items.length - shown;
  return (
    <>
      <ul className={styles["cards"]} aria-label={label}>
        {items.slice(0, shown).map(card)}
      </ul>
      {rest > 0 && (
        <Button variant="default" size="compact-md" onClick={() => setShown(shown + step)} style={{ alignSelf: "start" }}>
          {texts.performance.showMore(Math.min(step, rest))}
        </Button>
      )}
    </>
  );
}
