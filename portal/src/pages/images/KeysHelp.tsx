import { Kbd, Table, Text } from "@mantine/core";
import { modals } from "@mantine/modals";

import { texts } from "@/texts";

/** Show what each key does. */
export function openKeysHelp(): void {
  modals.open({
    title: texts.images.keysTitle,
    closeButtonProps: { "aria-label": texts.common.close },
    children: (
      <>
        <Table verticalSpacing={4}>
          <Table.Tbody>
            {texts.images.keys.map(([key, what]) => (
              <Table.Tr key={key}>
                <Table.Td style={{ whiteSpace: "nowrap" }}>
                  <Kbd>{key}</Kbd>
                </Table.Td>
                <Table.Td>{what}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        <Text size="sm" mt="sm">
          {texts.images.keysUntagged}
        </Text>
      </>
    ),
  });
}
