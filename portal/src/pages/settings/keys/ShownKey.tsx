import { Alert, Button, Group, Stack } from "@mantine/core";

import { CopyableLine } from "@/components/Copyable";
import { texts } from "@/texts";

import type { NewKey } from "./useApiKeys";

/** A key that was just made: nobody can show it again. */
export function ShownKey({ made, done }: { made: NewKey; done: () => void }): React.JSX.Element {
  const said = texts.server.keys;
  return (
    <Stack>
      <Alert color="orange">{said.once}</Alert>
      <CopyableLine label={said.keyOf(made.name)} text={made.key} />
      <Group justify="flex-end">
        <Button onClick={done}>{said.copied}</Button>
      </Group>
    </Stack>
  );
}
