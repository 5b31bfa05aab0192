import { texts } from "@/texts";

import styles from "./ProbabilityBars.module.css";

interface Props {
  predictions: readonly { tagName: string; probability: number }[];
  /** Show only as many, the most probable ones. */
  limit?: number;
}

/** Tags with their probabilities, the most probable first. */
export function ProbabilityBars({ predictions, limit }: Props): React.JSX.Element {
  const sorted = [...predictions].sort((one, other) => other.probability - one.probability);
  return (
    <ul className={styles["list"]} aria-label={texts.common.probabilities}>
      {sorted.slice(0, limit).map(({ tagName, probability }, place) => (
        <li key={`${tagName} ${place}`} className={`${styles["row"]} ${place === 0 ? styles["first"] : ""}`}>
          <span className={styles["name"]} title={tagName}>
            {tagName}
          </span>
          <span className={styles["value"]}>{texts.common.percent(probability, 1)}</span>
          <span className={styles["track"]} aria-hidden>
            <span className={styles["bar"]} style={{ width: `${probability * 100}%`, display: "block" }} />
          </span>
        </li>
      ))}
    </ul>
  );
}
