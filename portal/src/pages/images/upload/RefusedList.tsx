import { ScrollArea, Table, Text } from "@mantine/core";

import { texts } from "@/texts";

const SHOWN = 300;

interface Props {
  refused: readonly { name: string; reason: string | null }[];
}

/** Files that were not taken, each with its reason. */
export function RefusedList({ refused }: Props): React.JSX.Element {
  return (
    <ScrollArea.Autosize
      mah={220}
      type="auto"
      offsetScrollbars="y"
      viewportProps={{ tabIndex: 0, role: "region", "aria-label": texts.upload.details }}
    >
      <Table verticalSpacing={4} fz="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{texts.upload.file}</Table.Th>
            <Table.Th>{texts.upload.reason}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {refused.slice(0, SHOWN).map(({ name, reason }, place) => (
            <Table.Tr key={place}>
              <Table.Td style={{ overflowWrap: "anywhere", minWidth: 110 }}>{name}</Table.Td>
              <Table.Td>{reason}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {refused.length > SHOWN && (
        <Text size="sm" c="dimmed">
          {texts.upload.andMore(refused.length - SHOWN)}
        </Text>
      )}
    </ScrollArea.Autosize>
  );
}
