import { Alert, Anchor, Button, Center, Paper, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { Link, useLocation, useNavigate, useParams } from "react-router";

import { ApiError } from "@/api/errors";
import { useKey, wasRefused } from "@/api/session";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError, isSent } from "@/components/submits";
import { texts } from "@/texts";

import { useSignIn } from "./useSignIn";

/** Where a tab gets its key: typed, or from a link that works once. */
export default function SignInPage(): React.JSX.Element {
  const [text, setText] = useState("");
  const [refused] = useState(wasRefused);
  const attempt = useSignIn();
  useLinkOfAddress(attempt.mutate);
  const isSignedIn = useKey() !== null;
  const said = texts.signIn;
  const submit = (event: React.FormEvent): void => {
    event.preventDefault();
    if (!isSent(attempt)) attempt.mutate(text);
  };
  const again = (): void => attempt.mutate(attempt.variables ?? text);
  return (
    <Center mih="100vh" p="md" component="main">
      <Paper withBorder p="xl" maw={440} w="100%">
        <form onSubmit={submit} onChange={() => forgetError(attempt)}>
          <Stack>
            <Title order={1} size="h3">
              {said.title}
            </Title>
            {refused && !attempt.error && <Alert color="orange">{said.refused}</Alert>}
            <Text size="sm" role="status" hidden={!attempt.isPending}>
              {attempt.isPending && said.checking}
            </Text>
            <PasswordInput
              label={said.key}
              description={said.keyHint}
              value={text}
              onChange={(event) => setText(event.currentTarget.value)}
              autoComplete="off"
              autoFocus
              required
            />
            {attempt.error && <ErrorNote error={attempt.error} retry={isLost(attempt.error) ? again : undefined} />}
            <Button type="submit" loading={attempt.isPending} disabled={text.trim() === ""}>
              {said.button}
            </Button>
            <Text size="sm" c="dimmed">
              {said.noKey}
            </Text>
            <Text size="sm" c="dimmed">
              {said.keptUntil}
            </Text>
            {isSignedIn && (
              <Anchor component={Link} to="/" size="sm">
                {said.alreadySignedIn}
              </Anchor>
            )}
          </Stack>
        </form>
      </Paper>
    </Center>
  );
}

function isLost(error: Error): boolean {
  return error instanceof ApiError && error.unreachable;
}

/** Uses the link that the address is, and takes its token out of the address and so out of the history. */
function useLinkOfAddress(use: (link: string) => void): void {
  const { token } = useParams();
  const place = useLocation();
  const go = useNavigate();
  const used = useRef<string | undefined>(undefined);
  useEffect(() => {
    if (token === undefined || token === used.current) return;
    used.current = token;
    void go("/sign-in", { replace: true, state: place.state as unknown });
    use(`#/sign-in/${token}`);
  }, [token, use, go, place.state]);
}
