import { Anchor, Box, Button, Center, Code, Container, Group, Loader, Stack, Text, Title } from "@mantine/core";
import { Link, useRouteError } from "react-router";

import { messageOf } from "@/api/errors";
import { texts } from "@/texts";

/** Instead of a page that could not be loaded or drawn. */
export function CrashPage(): React.JSX.Element {
  const error = useRouteError();
  return (
    <Container size="sm" py="xl" role="alert">
      <Stack align="start">
        <Title order={2} size="h3">
          {texts.errors.crashed}
        </Title>
        <Code block w="100%" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
          {messageOf(error)}
        </Code>
        <Group>
          <Button onClick={() => window.location.reload()}>{texts.errors.reload}</Button>
          <Anchor component={Link} to="/">
            {texts.errors.toProjects}
          </Anchor>
        </Group>
      </Stack>
    </Container>
  );
}

/** Where not even the header could be drawn. */
export function RootCrashPage(): React.JSX.Element {
  return (
    <Box component="main">
      <CrashPage />
    </Box>
  );
}

export function NoPage(): React.JSX.Element {
  return (
    <Container size="sm" py="xl">
      <Stack align="start">
        <Title order={1} size="h3">
          {texts.frame.noPageTitle}
        </Title>
        <Text>{texts.errors.noPage}</Text>
        <Anchor component={Link} to="/">
          {texts.errors.toProjects}
        </Anchor>
      </Stack>
    </Container>
  );
}

/** Until the first page is there. */
export function LoadingPage(): React.JSX.Element {
  return (
    <Center mih="100vh" component="main">
      <Loader aria-label={texts.common.loading} />
    </Center>
  );
}
