import { Anchor, Button, Code, Container, Stack, Text, Title } from "@mantine/core";
import { Link, useRouteError } from "react-router";

import { messageOf } from "@/api/errors";
import { texts } from "@/texts";

/** Instead of a page that could not be loaded or drawn. */
export function CrashPage(): React.JSX.Element {
  const error = useRouteError();
  return (
    <Container size="sm" py="xl" role="alert">
      <Stack align="start">
        <Title order={1}>{texts.errors.crashed}</Title>
        <Code block>{messageOf(error)}</Code>
        <Button onClick={() => window.location.reload()}>{texts.errors.reload}</Button>
      </Stack>
    </Container>
  );
}

export function NoPage(): React.JSX.Element {
  return (
    <Container size="sm" py="xl">
      <Text>{texts.errors.noPage}</Text>
      <Anchor component={Link} to="/">
        {texts.errors.toProjects}
      </Anchor>
    </Container>
  );
}
