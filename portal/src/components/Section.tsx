import { Paper, Stack, Text, Title } from "@mantine/core";
import { useId } from "react";

interface Props {
  title: string;
  text?: string;
  children: React.ReactNode;
}

/** A part of a page below a heading of its own. */
export function Section({ title, text, children }: Props): React.JSX.Element {
  const id = useId();
  return (
    <Paper withBorder p="md" component="section" aria-labelledby={id}>
      <Stack>
        <Stack gap={2}>
          <Title order={2} size="h4" id={id}>
            {title}
          </Title>
          {text && (
            <Text size="sm" c="dimmed">
              {text}
            </Text>
          )}
        </Stack>
        {children}
      </Stack>
    </Paper>
  );
}
