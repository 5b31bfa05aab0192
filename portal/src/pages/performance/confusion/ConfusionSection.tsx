import { Button, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { texts } from "@/texts";

import { Section } from "../Section";
import { type Cell, CellDialog } from "./CellDialog";
import { confused } from "./confused";
import { Matrix } from "./Matrix";

/** What a matrix counts. */
export interface Confusions {
  note: string;
  rows: readonly string[];
  columns: readonly string[];
  rowsName: string;
  columnsName: string;
  counts: readonly (readonly number[])[];
  isRight: (row: number, column: number) => boolean;
  /** What a number is of. */
  text: (count: number, row: number, column: number) => string;
  /** The photos behind a number; undefined where the server does not have them. */
  cell?: (row: number, column: number) => Cell;
}

interface Props {
  project: string;
  iteration: string;
  confusions: Confusions;
}

const MOST_ROWS = 30;
const MOST_PAIRS = 40;

/** What was taken for what, with the photos behind each number. */
export function ConfusionSection(props: Props): React.JSX.Element {
  return (
    <Section title={texts.performance.confusion} note={props.confusions.note}>
      <ConfusionTable {...props} />
    </Section>
  );
}

/** The same without a title. */
export function ConfusionTable({ project, iteration, confusions }: Props): React.JSX.Element {
  const [opened, setOpened] = useState<Cell | null>(null);
  const { cell } = confusions;
  const open = cell && ((row: number, column: number) => setOpened(cell(row, column)));
  return (
    <>
      {confusions.rows.length <= MOST_ROWS ? (
        <Matrix label={texts.performance.confusion} {...confusions} cellText={confusions.text} onOpen={open} />
      ) : (
        <Pairs confusions={confusions} onOpen={open} />
      )}
      {opened && (
        <CellDialog project={project} iteration={iteration} cell={opened} onClose={() => setOpened(null)} />
      )}
    </>
  );
}

interface PairsProps {
  confusions: Confusions;
  onOpen: ((row: number, column: number) => void) | undefined;
}

function Pairs({ confusions, onOpen }: PairsProps): React.JSX.Element {
  const pairs = confused(confusions.counts, confusions.isRight, MOST_PAIRS);
  if (pairs.length === 0) return <Text size="sm">{texts.performance.noConfusion}</Text>;
  return (
    <Stack component="ul" gap={2} m={0} p={0} style={{ listStyle: "none" }}>
      {pairs.map(({ row, column, count }) => {
        const said = confusions.text(count, row, column);
        return (
          <li key={`${row} ${column}`}>
            {onOpen ? (
              <Button variant="subtle" size="compact-sm" onClick={() => onOpen(row, column)}>
                {said}
              </Button>
            ) : (
              <Text size="sm">{said}</Text>
            )}
          </li>
        );
      })}
    </Stack>
  );
}
