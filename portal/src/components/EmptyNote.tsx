import { Stack, Text, Title } from "@mantine/core";

interface Props {
  title: string;
  text?: string;
  children?: React.ReactNode;
}

/** Where there is nothing to show yet: what it is, and what to do next. */
export function EmptyNote({ title, text, children }: Props): React.JSX.Element {
  return (
    <Stack align="center" py={48} px="md" gap="xs">
      <Title order={2} size="h4" ta="center">
        {title}
      </Title>
      {text && (
        <Text c="dimmed" ta="center" maw={520}>
          {text}
        </Text>
      )}
      {children}
    </Stack>
  );
}
