import { Button, Group, Stack, TextInput } from "@mantine/core";
import { modals } from "@mantine/modals";
import { useState } from "react";

import type { Schemas } from "@/api/client";
import { announce } from "@/components/announce";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError, isSent } from "@/components/submits";
import { texts } from "@/texts";

import { useRenameIteration } from "./useTraining";

interface Props {
  project: string;
  iteration: Schemas["Iteration"];
}

/** Another name for an iteration, to tell it from others. */
function RenameForm({ project, iteration }: Props): React.JSX.Element {
  const said = texts.training;
  const [name, setName] = useState(iteration.name);
  const rename = useRenameIteration(project);
  const wanted = name.trim();
  const submit = (event: React.FormEvent): void => {
    event.preventDefault();
    if (!wanted || isSent(rename)) return;
    const done = (): void => {
      announce(said.renamed(wanted));
      modals.closeAll();
    };
    rename.mutate({ iteration: iteration.id, name: wanted }, { onSuccess: done });
  };
  return (
    <form onSubmit={submit} onChange={() => forgetError(rename)}>
      <Stack>
        <TextInput
          label={said.name}
          description={said.nameHint}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={!wanted && said.nameFault}
          data-autofocus
        />
        {rename.error && <ErrorNote error={rename.error} />}
        <Group justify="end">
          <Button variant="default" onClick={() => modals.closeAll()}>
            {texts.common.cancel}
          </Button>
          <Button type="submit" loading={rename.isPending} disabled={!wanted}>
            {texts.common.save}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

export function openRenameForm(props: Props): void {
  modals.open({ title: texts.training.renameTitle(props.iteration.name), children: <RenameForm {...props} /> });
}
