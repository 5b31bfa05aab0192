import { Table } from "@mantine/core";

import { texts } from "@/texts";

import styles from "../Performance.module.css";
import { Scrolled } from "../Scrolled";

interface Props {
  /** What a screen reader says of the chart. */
  label: string;
  /** The chart's numbers, for who cannot see it. */
  head: readonly string[];
  rows: readonly (readonly string[])[];
  children: React.ReactNode;
}

/** A chart with its numbers as a table. */
export function ChartFigure({ label, head, rows, children }: Props): React.JSX.Element {
  return (
    <figure style={{ margin: 0 }}>
      <div role="img" aria-label={label}>
        {children}
      </div>
      <details className={styles["numbers"]}>
        <summary>{texts.performance.numbers}</summary>
        <Scrolled label={label} minWidth={260} maxHeight={300}>
          <Table verticalSpacing={2} aria-label={label}>
            <Table.Thead>
              <Table.Tr>
                {head.map((name) => (
                  <Table.Th key={name}>{name}</Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map((row, place) => (
                <Table.Tr key={place}>
                  {row.map((value, column) => (
                    <Table.Td key={column}>{value}</Table.Td>
                  ))}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Scrolled>
      </details>
    </figure>
  );
}
