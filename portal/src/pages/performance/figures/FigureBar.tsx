import styles from "./Figures.module.css";
import { type Figure, bandOf } from "./figure";

/** A figure as a bar from 0 to 1, with its band; the figure itself is written beside it. */
export function FigureBar({ figure }: { figure: Figure }): React.JSX.Element {
  const band = bandOf(figure);
  return (
    <span className={styles["track"]} aria-hidden>
      {figure.value !== null && <span className={styles["bar"]} style={{ width: `${figure.value * 100}%` }} />}
      {band && (
        <span
          className={styles["band"]}
          style={{ left: `${band[0] * 100}%`, width: `${(band[1] - band[0]) * 100}%` }}
        />
      )}
    </span>
  );
}
