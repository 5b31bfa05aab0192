import { Button, Group, Loader, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import { announce } from "@/components/announce";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError, isSent } from "@/components/submits";
import { texts } from "@/texts";

import { type Project, useCopyProject, useExportToken } from "./useProjects";

interface Props {
  project: Project;
  done: () => void;
}

/** Asks for the name of a copy, and says what it will hold. */
export function CopyProjectForm({ project, done }: Props): React.JSX.Element {
  const said = texts.projects;
  const [name, setName] = useState(said.copyOf(project.name));
  const offer = useExportToken(project.id);
  const copy = useCopyProject();
  const submit = (event: React.FormEvent): void => {
    event.preventDefault();
    if (!offer.data || isSent(copy)) return;
    const begun = (made: { name: string }): void => {
      announce(said.copyBegun(made.name));
      done();
    };
    copy.mutate({ token: offer.data.token, name: name.trim() }, { onSuccess: begun });
  };
  return (
    <form onSubmit={submit} onChange={() => forgetError(copy)}>
      <Stack>
        <Text size="sm">{said.copyText}</Text>
        {offer.data ? (
          <Text size="sm" fw={500}>
            {said.copyHolds(offer.data.imageCount, offer.data.tagCount, offer.data.iterationCount)}
          </Text>
        ) : (
          !offer.error && <Loader size="xs" aria-label={texts.common.loading} />
        )}
        {offer.error && <ErrorNote error={offer.error} retry={() => void offer.refetch()} />}
        <TextInput
          label={said.copyName}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          maxLength={128}
          required
          data-autofocus
        />
        {copy.error && <ErrorNote error={copy.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={done}>
            {texts.common.cancel}
          </Button>
          <Button type="submit" loading={copy.isPending} disabled={!offer.data || name.trim() === ""}>
            {said.copyButton}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
