import { Paper, Text } from "@mantine/core";

import { texts } from "@/texts";

import styles from "./Compare.module.css";
import type { Comparison } from "./useComparison";

interface Props {
  comparison: Comparison;
  name: string;
  otherName: string;
}

/** How many photos were won, lost, and judged alike. */
export function Balance({ comparison, name, otherName }: Props): React.JSX.Element {
  const said = texts.compare;
  const { wonCount, lostCount, bothRight, bothWrong } = comparison;
  const parts = [
    { kind: "won", title: said.won, text: said.wonText(name, otherName), count: wonCount },
    { kind: "lost", title: said.lost, text: said.lostText(name, otherName), count: lostCount },
    { kind: "right", title: said.bothRight, text: "", count: bothRight },
    { kind: "wrong", title: said.bothWrong, text: "", count: bothWrong },
  ];
  return (
    <div>
      <div className={styles["balance"]} aria-hidden>
        {parts.map(({ kind, count }) =>
          count > 0 ? <span key={kind} data-kind={kind} style={{ flexGrow: count }} /> : null,
        )}
      </div>
      <div className={styles["counts"]}>
        {parts.map(({ kind, title, text, count }) => (
          <Paper key={kind} withBorder p="sm" role="group" aria-label={title}>
            <Text size="sm" fw={500}>
              <span className={styles["swatch"]} data-kind={kind} aria-hidden /> {title}
            </Text>
            <Text className={styles["count"]}>{texts.common.number(count)}</Text>
            <Text size="xs" c="dimmed">
              {text}
            </Text>
          </Paper>
        ))}
      </div>
    </div>
  );
}
