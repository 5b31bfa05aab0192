import { Text, UnstyledButton } from "@mantine/core";

import { texts } from "@/texts";

import { Scrolled } from "../Scrolled";
import styles from "./Matrix.module.css";

interface Props {
  label: string;
  rows: readonly string[];
  columns: readonly string[];
  counts: readonly (readonly number[])[];
  rowsName: string;
  columnsName: string;
  isRight: (row: number, column: number) => boolean;
  /** What a number is of, for its title and for screen readers. */
  cellText: (count: number, row: number, column: number) => string;
  /** Shows the photos behind a number; undefined where that cannot be. */
  onOpen?: ((row: number, column: number) => void) | undefined;
}

const STRONGEST = 55;

/** Counts of what was taken for what; colours say what share of a row a number is. */
export function Matrix(props: Props): React.JSX.Element {
  const { label, rows, columns, counts, onOpen } = props;
  return (
    <Scrolled label={label} minWidth={0} maxHeight={560}>
      <table className={styles["matrix"]} aria-label={label}>
        <thead>
          <tr>
            <th scope="col" className={styles["corner"]}>
              <Text span size="xs" c="dimmed">
                {props.rowsName} ↓ {props.columnsName} →
              </Text>
            </th>
            {columns.map((name) => (
              <th key={name} scope="col" className={styles["column"]} title={name}>
                <span>{name}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((name, row) => {
            const total = Math.max(1, (counts[row] ?? []).reduce((sum, count) => sum + count, 0));
            return (
              <tr key={name}>
                <th scope="row" className={styles["row"]} title={name}>
                  {name}
                </th>
                {columns.map((column, place) => {
                  const count = counts[row]?.[place] ?? 0;
                  const said = props.cellText(count, row, place);
                  return (
                    <td
                      key={column}
                      data-right={props.isRight(row, place) || undefined}
                      style={{ "--share": `${Math.round((count / total) * STRONGEST)}%` } as React.CSSProperties}
                    >
                      {count > 0 && onOpen ? (
                        <UnstyledButton
                          className={styles["number"]}
                          aria-label={said}
                          title={said}
                          onClick={() => onOpen(row, place)}
                        >
                          {texts.common.number(count)}
                        </UnstyledButton>
                      ) : (
                        <span className={styles["number"]} data-none={count === 0 || undefined}>
                          {texts.common.number(count)}
                        </span>
                      )}
                    </td>
                  );
                })}
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scrolled>
  );
}
