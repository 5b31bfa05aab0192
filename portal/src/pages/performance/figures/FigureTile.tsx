import { Paper, Text } from "@mantine/core";

import { texts } from "@/texts";

import { FigureBar } from "./FigureBar";
import styles from "./Figures.module.css";
import { type Figure, rangeOf } from "./figure";

interface Props {
  name: string;
  hint: string;
  figure: Figure;
}

/** A figure, what it means, and how sure it is. */
export function FigureTile({ name, hint, figure }: Props): React.JSX.Element {
  const { value } = figure;
  return (
    <Paper withBorder p="sm" className={styles["tile"]} role="group" aria-label={name}>
      <Text size="sm" fw={500}>
        {name}
      </Text>
      <Text className={styles["value"]}>
        {value === null ? texts.performance.noFigure : texts.common.percent(value, 1)}
      </Text>
      <FigureBar figure={figure} />
      <Text size="xs" c="dimmed">
        {rangeOf(figure) || "\u00a0"}
      </Text>
      <Text size="xs" c="dimmed">
        {hint}
      </Text>
    </Paper>
  );
}
