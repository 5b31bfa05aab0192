import styles from "./Facts.module.css";

interface Props {
  facts: readonly (readonly [name: string, value: React.ReactNode])[];
}

/** Names and their values, side by side where there is room. */
export function Facts({ facts }: Props): React.JSX.Element {
  return (
    <dl className={styles["facts"]}>
      {facts.map(([name, value]) => (
        <div key={name} style={{ display: "contents" }}>
          <dt className={styles["name"]}>{name}</dt>
          <dd className={styles["value"]}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
