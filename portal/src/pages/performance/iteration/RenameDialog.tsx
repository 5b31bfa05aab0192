import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useState } from "react";

import type { Schemas } from "@/api/client";
import { announce } from "@/components/announce";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError, isSent } from "@/components/submits";
import { texts } from "@/texts";

import { useRenameIteration } from "./useIterationChanges";

interface Props {
  project: string;
  iteration: Schemas["Iteration"];
  onClose: () => void;
}

export function RenameDialog({ project, iteration, onClose }: Props): React.JSX.Element {
  const said = texts.performance;
  const [name, setName] = useState(iteration.name);
  const rename = useRenameIteration(project, iteration.id);
  const submit = (event: React.FormEvent): void => {
    event.preventDefault();
    if (isSent(rename)) return;
    rename.mutate(name.trim(), {
      onSuccess: (changed) => {
        announce(said.renamed(changed.name));
        onClose();
      },
    });
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={said.renameTitle(iteration.name)}
      closeButtonProps={{ "aria-label": texts.common.close }}
    >
      <form onSubmit={submit} onChange={() => forgetError(rename)}>
        <Stack>
          <TextInput
            label={said.newName}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            maxLength={128}
            required
            data-autofocus
          />
          {rename.error && <ErrorNote error={rename.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {texts.common.cancel}
            </Button>
            <Button type="submit" loading={rename.isPending} disabled={name.trim() === ""}>
              {said.rename}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
