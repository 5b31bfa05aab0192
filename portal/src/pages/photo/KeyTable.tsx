import { Kbd, Table } from "@mantine/core";
import { modals } from "@mantine/modals";

import { texts } from "@/texts";

/** Show what each key does. */
export function openKeys(keys: readonly (readonly [string, string])[]): void {
  modals.open({
    title: texts.photo.keysTitle,
    closeButtonProps: { "aria-label": texts.common.close },
    children: (
      <Table verticalSpacing={4}>
        <Table.Tbody>
          {keys.map(([key, what]) => (
            <Table.Tr key={key}>
              <Table.Td>
                <Kbd>{key}</Kbd>
              </Table.Td>
              <Table.Td>{what}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    ),
  });
}
