import { Button, Group, Radio, Select, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import { useMe } from "@/api/shared";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError, isSent } from "@/components/submits";
import { texts } from "@/texts";

import { ProjectSelect } from "../ProjectSelect";
import { type Lifetime, daysOf, lifetimesOf } from "./lifetime";
import { type Key, type NewKey, useCreateKey } from "./useApiKeys";

const SCOPES = ["admin", "training", "prediction", "read"] as const satisfies readonly Key["scope"][];

interface Props {
  /** The only project that the key can be for; absent if that is to be chosen. */
  projectId?: string;
  done: (made: NewKey) => void;
  cancel: () => void;
}

/** Asks for a key's name, what it opens, and for how long. */
export function NewKeyForm({ projectId, done, cancel }: Props): React.JSX.Element {
  const expires = useMe().data?.expires ?? null;
  const [opened] = useState(() => Date.now());
  const [name, setName] = useState("");
  const [scope, setScope] = useState<Key["scope"]>("training");
  const [project, setProject] = useState<string | null>(null);
  const offered = lifetimesOf(expires, opened);
  const [chosen, setChosen] = useState<Lifetime | null>(null);
  const lifetime = chosen ?? offered[0] ?? "own";
  const create = useCreateKey();
  const said = texts.server.keys;
  const ofOneProject = scope !== "admin";
  const submit = (event: React.FormEvent): void => {
    event.preventDefault();
    if (isSent(create)) return;
    const only = projectId ?? (ofOneProject ? project : null);
    const days = daysOf(lifetime, expires, Date.now());
    create.mutate({ name: name.trim(), scope, projectId: only, days }, { onSuccess: done });
  };
  return (
    <form onSubmit={submit} onChange={() => forgetError(create)}>
      <Stack>
        <TextInput
          label={said.name}
          description={said.nameHint}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          maxLength={128}
          required
          data-autofocus
        />
        <Radio.Group label={said.scope} value={scope} onChange={(value) => setScope(value as typeof scope)}>
          <Stack gap="xs" mt="xs">
            {SCOPES.filter((one) => !projectId || one !== "admin").map((one) => (
              <Radio key={one} value={one} label={said.scopes[one].name} description={said.scopes[one].text} />
            ))}
          </Stack>
        </Radio.Group>
        {!projectId && (
          <ProjectSelect
            label={said.project}
            description={ofOneProject ? said.projectHint : said.projectAdmin}
            placeholder={said.allProjects}
            value={ofOneProject ? project : null}
            onChange={(id) => {
              setProject(id);
              forgetError(create);
            }}
            disabled={!ofOneProject}
          />
        )}
        <Select
          label={said.lifetime}
          data={offered.map((one) => ({ value: one, label: said.lifetimes[one] }))}
          value={lifetime}
          onChange={(value) => {
            setChosen(value as Lifetime);
            forgetError(create);
          }}
          allowDeselect={false}
        />
        {expires !== null && (
          <Text size="sm" c="dimmed">
            {said.ownEnds(texts.common.date(expires))}
          </Text>
        )}
        {create.error && <ErrorNote error={create.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={cancel}>
            {texts.common.cancel}
          </Button>
          <Button type="submit" loading={create.isPending} disabled={name.trim() === ""}>
            {said.createButton}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
