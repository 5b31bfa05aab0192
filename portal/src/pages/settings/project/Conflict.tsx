import { Alert, Button, Group, Text } from "@mantine/core";

import { texts } from "@/texts";

interface Props {
  /** What the server has now, as it is shown. */
  theirs: string;
  insist: () => void;
  drop: () => void;
}

/** Says that a field was changed elsewhere while it was typed in here, and asks which text counts. */
export function Conflict({ theirs, insist, drop }: Props): React.JSX.Element {
  const said = texts.settings;
  return (
    <Alert color="orange" role="alert" mt="xs">
      <Text size="sm">{said.conflict(theirs)}</Text>
      <Group gap="xs" mt="xs">
        <Button size="compact-sm" variant="default" onClick={insist}>
          {said.keepMine}
        </Button>
        <Button size="compact-sm" variant="default" onClick={drop}>
          {said.takeTheirs}
        </Button>
      </Group>
    </Alert>
  );
}
