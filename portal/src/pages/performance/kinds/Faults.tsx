import { Table } from "@mantine/core";

import { texts } from "@/texts";

import { FigureBar } from "../figures/FigureBar";
import { Section } from "../Section";
import type { Detected } from "../useEvaluation";

const ORDER = ["missed", "nothing_there", "wrong_tag", "misplaced", "duplicate"] as const;

/** In which ways a detector's boxes went wrong. */
export function Faults({ overall }: { overall: Detected["heldOut"]["overall"] }): React.JSX.Element {
  const said = texts.performance;
  const { faults, boxes, correctImages, images, empty } = overall;
  return (
    <Section title={said.faults} note={said.faultsNote(correctImages, images, empty)}>
      <Table verticalSpacing={6} aria-label={said.faults}>
        <Table.Tbody>
          {ORDER.map((fault) => {
            const count = faults[fault] ?? 0;
            return (
              <Table.Tr key={fault}>
                <Table.Th scope="row" fw={500} title={said.faultHint[fault]}>
                  {said.fault[fault]}
                </Table.Th>
                <Table.Td ta="end" style={{ fontVariantNumeric: "tabular-nums" }}>
                  {texts.common.number(count)}
                </Table.Td>
                <Table.Td w="50%">
                  <FigureBar figure={{ value: Math.min(1, count / Math.max(1, boxes)) }} />
                </Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
    </Section>
  );
}
