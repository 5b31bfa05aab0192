import { Alert, Button, Group, Text } from "@mantine/core";

import { ApiError, messageOf } from "@/api/errors";
import { texts } from "@/texts";

interface Props {
  error: unknown;
  retry?: () => void;
}

/** An error of the API in its own words, where it happened. */
export function ErrorNote({ error, retry }: Props): React.JSX.Element {
  const id = error instanceof ApiError ? error.requestId : null;
  return (
    <Alert color="red" role="alert">
      <Text size="sm">{messageOf(error)}</Text>
      <Group gap="sm" mt={4}>
        {retry && (
          <Button size="compact-sm" variant="light" color="red" onClick={retry}>
            {texts.errors.retry}
          </Button>
        )}
        {id && (
          <Text size="xs" c="dimmed">
            {texts.errors.requestId(id)}
          </Text>
        )}
      </Group>
    </Alert>
  );
}
