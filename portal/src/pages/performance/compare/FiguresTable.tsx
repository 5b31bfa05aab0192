import { Table, Text } from "@mantine/core";

import { texts } from "@/texts";

import { FigureBar } from "../figures/FigureBar";
import { Scrolled } from "../Scrolled";
import styles from "./Compare.module.css";
import type { Comparison } from "./useComparison";

interface Props {
  figures: NonNullable<Comparison["figures"]>;
  name: string;
  otherName: string;
}

const FIGURES = ["precision", "recall", "averagePrecision"] as const;

/** The figures of two iterations on the photos that both judged. */
export function FiguresTable({ figures, name, otherName }: Props): React.JSX.Element {
  const said = texts.compare;
  return (
    <Scrolled label={said.figures} minWidth={480}>
      <Table verticalSpacing={6} className={styles["figures"]} aria-label={said.figures}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{said.figure}</Table.Th>
            <Table.Th>{name}</Table.Th>
            <Table.Th>{otherName}</Table.Th>
            <Table.Th>{said.difference}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {FIGURES.map((figure) => {
            const [value, other] = [figures.iteration[figure], figures.other[figure]];
            return (
              <Table.Tr key={figure}>
                <Table.Th scope="row" fw={500}>
                  {texts.performance[figure]}
                </Table.Th>
                <ShareCell value={value} />
                <ShareCell value={other} />
                <Table.Td>
                  <Text size="sm" fw={600}>
                    {said.pointsMore(value - other)}
                  </Text>
                </Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
    </Scrolled>
  );
}

function ShareCell({ value }: { value: number }): React.JSX.Element {
  return (
    <Table.Td w="26%">
      {texts.common.percent(value, 1)}
      <FigureBar figure={{ value }} />
    </Table.Td>
  );
}
