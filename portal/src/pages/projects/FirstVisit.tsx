import { Container, SimpleGrid, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import { IconCameraPlus, IconFolderPlus, IconSchool } from "@tabler/icons-react";

import { texts } from "@/texts";

const ICONS = [IconFolderPlus, IconCameraPlus, IconSchool];

/** Where there is no project yet: what all this is, and how to begin. */
export function FirstVisit({ children }: { children: React.ReactNode }): React.JSX.Element {
  return (
    <Container size="md" py={48}>
      <Stack gap="xl" align="center">
        <Title order={1} ta="center">
          {texts.projects.firstTitle}
        </Title>
        <Text c="dimmed" ta="center" size="lg">
          {texts.projects.firstText}
        </Text>
        <SimpleGrid cols={{ base: 1, sm: 3 }} spacing="xl" component="ol" p={0} m={0} style={{ listStyle: "none" }}>
          {texts.projects.steps.map(({ title, text }, place) => {
            const Icon = ICONS[place] ?? IconSchool;
            return (
              <Stack key={title} component="li" align="center" gap="xs">
                <ThemeIcon size={56} radius="xl" variant="light">
                  <Icon size={30} aria-hidden />
                </ThemeIcon>
                <Title order={2} size="h4">
                  {place + 1}. {title}
                </Title>
                <Text ta="center" size="sm">
                  {text}
                </Text>
              </Stack>
            );
          })}
        </SimpleGrid>
        {children}
      </Stack>
    </Container>
  );
}
