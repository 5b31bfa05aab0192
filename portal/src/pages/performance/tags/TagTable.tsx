import { Badge, Button, Table, Text, UnstyledButton } from "@mantine/core";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { useState } from "react";

import { texts } from "@/texts";

import { FigureBar } from "../figures/FigureBar";
import { type Figure, rangeOf } from "../figures/figure";
import type { TagRow } from "../figures/live";
import { Scrolled } from "../Scrolled";
import { type Column, WEAKEST_FIRST, clicked, sorted } from "./sorting";
import styles from "./TagTable.module.css";

interface Props {
  label: string;
  rows: readonly TagRow[];
  /** Applies the recommended threshold of a tag. */
  onApply?: (threshold: number) => void;
}

/** All tags with their figures, sorted by any column. */
export function TagTable({ label, rows, onApply }: Props): React.JSX.Element {
  const [order, setOrder] = useState(WEAKEST_FIRST);
  const said = texts.performance;
  const has = {
    photos: rows.some(({ photos }) => photos !== null),
    boxes: rows.some(({ boxes }) => boxes !== null),
    recommended: onApply !== undefined && rows.some(({ recommended }) => recommended !== null),
  };
  const title = (column: Column, name: string, isNumber = true): React.JSX.Element => (
    <Table.Th
      aria-sort={order.column !== column ? "none" : order.descending ? "descending" : "ascending"}
      className={isNumber ? styles["number"] : undefined}
    >
      <UnstyledButton className={styles["title"]} onClick={() => setOrder(clicked(order, column))} title={said.sortBy(name)}>
        {name}
        {order.column === column &&
          (order.descending ? <IconArrowDown size={14} aria-hidden /> : <IconArrowUp size={14} aria-hidden />)}
      </UnstyledButton>
    </Table.Th>
  );
  return (
    <Scrolled label={label} minWidth={620}>
      <Table verticalSpacing={6} aria-label={label}>
        <Table.Thead>
          <Table.Tr>
            {title("tag", said.tag, false)}
            {title("precision", said.precision, false)}
            {title("recall", said.recall, false)}
            {title("averagePrecision", said.averagePrecision, false)}
            {has.photos && title("photos", said.photoCount)}
            {has.boxes && title("boxes", said.boxCount)}
            {has.recommended && title("recommended", said.recommended)}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {sorted(rows, order).map((row) => (
            <Table.Tr key={row.tag}>
              <Table.Th scope="row" className={styles["tag"]}>
                {row.tag}
                {row.negative && (
                  <Badge ml={6} size="sm" variant="light" color="gray" tt="none">
                    {said.negative}
                  </Badge>
                )}
              </Table.Th>
              <FigureCell figure={row.precision} />
              <FigureCell figure={row.recall} />
              <FigureCell figure={row.averagePrecision} />
              {has.photos && <Count value={row.photos} />}
              {has.boxes && <Count value={row.boxes} />}
              {has.recommended && (
                <Table.Td className={styles["number"]}>
                  {row.recommended !== null && (
                    <Button
                      variant="subtle"
                      size="compact-sm"
                      aria-label={said.applyOf(row.tag, row.recommended)}
                      onClick={() => onApply?.(row.recommended ?? 0)}
                    >
                      {texts.common.percent(row.recommended)}
                    </Button>
                  )}
                </Table.Td>
              )}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Scrolled>
  );
}

function FigureCell({ figure }: { figure: Figure }): React.JSX.Element {
  return (
    <Table.Td className={styles["figure"]} title={rangeOf(figure) || undefined}>
      {figure.value === null ? (
        <Text span size="xs" c="dimmed">
          {texts.performance.noFigure}
        </Text>
      ) : (
        texts.common.percent(figure.value, 1)
      )}
      <FigureBar figure={figure} />
    </Table.Td>
  );
}

function Count({ value }: { value: number | null }): React.JSX.Element {
  return <Table.Td className={styles["number"]}>{value === null ? "" : texts.common.number(value)}</Table.Td>;
}
