import { Group, Paper, Stack, Text, Title } from "@mantine/core";
import { useId } from "react";

interface Props {
  title: string;
  note?: React.ReactNode;
  /** Beside the title. */
  aside?: React.ReactNode;
  children: React.ReactNode;
}

/** A part of the page, with its title. */
export function Section({ title, note, aside, children }: Props): React.JSX.Element {
  const id = useId();
  return (
    <Paper withBorder p="md" component="section" aria-labelledby={id}>
      <Stack gap="sm">
        <div>
          <Group justify="space-between" gap="xs">
            <Title order={2} size="h4" id={id}>
              {title}
            </Title>
            {aside}
          </Group>
          {note && (
            <Text size="sm" c="dimmed" maw={760}>
              {note}
            </Text>
          )}
        </div>
        {children}
      </Stack>
    </Paper>
  );
}
