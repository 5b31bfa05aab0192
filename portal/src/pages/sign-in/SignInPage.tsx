import { Button, Center, Paper, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation, useNavigate } from "react-router";

import { OWN, api, dataOf } from "@/api/client";
import { signIn } from "@/api/session";
import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

export default function SignInPage(): React.JSX.Element {
  const [key, setKey] = useState("");
  const go = useNavigate();
  const place = useLocation();
  const check = useMutation({
    mutationFn: () => dataOf(api.GET(`${OWN}/me`, { headers: { "Training-Key": key.trim() } })),
    onSuccess: () => {
      signIn(key.trim());
      const { from } = (place.state ?? {}) as { from?: string };
      void go(from ?? "/", { replace: true });
    },
  });
  const submit = (event: React.FormEvent): void => {
    event.preventDefault();
    check.mutate();
  };
  return (
    <Center mih="100vh" p="md" component="main">
      <Paper withBorder p="xl" maw={420} w="100%">
        <form onSubmit={submit}>
          <Stack>
            <Title order={1} size="h3">
              {texts.signIn.title}
            </Title>
            <Text size="sm">{texts.signIn.explain}</Text>
            <PasswordInput
              label={texts.signIn.key}
              value={key}
              onChange={(event) => setKey(event.currentTarget.value)}
              autoComplete="off"
              data-autofocus
              required
            />
            {check.error && <ErrorNote error={check.error} />}
            <Button type="submit" loading={check.isPending} disabled={key.trim() === ""}>
              {texts.signIn.button}
            </Button>
            <Text size="xs" c="dimmed">
              {texts.signIn.keptUntil}
            </Text>
          </Stack>
        </form>
      </Paper>
    </Center>
  );
}
