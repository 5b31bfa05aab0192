import { Alert, Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import type { Schemas } from "@/api/client";
import { announce } from "@/components/announce";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError, isSent } from "@/components/submits";
import { texts } from "@/texts";

import { faultOf, suggestionsOf } from "./names";
import { usePublish } from "./usePublish";

interface Props {
  project: string;
  iteration: Schemas["Iteration"];
  all: readonly Schemas["Iteration"][];
  onClose: () => void;
}

/** Publish an iteration, under a name of its own or one that another iteration has. */
export function PublishDialog({ project, iteration, all, onClose }: Props): React.JSX.Element {
  const publish = usePublish(project);
  const taken = all.flatMap((one) => (one.publishName && one.id !== iteration.id ? [one.publishName] : []));
  const suggested = suggestionsOf(taken).filter((name) => name !== iteration.publishName);
  const [name, setName] = useState(suggested[0] ?? "");
  const fault = faultOf(name);
  const holder = all.find((one) => one.publishName === name.normalize() && one.id !== iteration.id);
  const send = (event: React.FormEvent): void => {
    event.preventDefault();
    if (fault || isSent(publish)) return;
    publish.mutate(
      { iteration: iteration.id, name, overwrite: holder !== undefined || iteration.publishName !== null },
      {
        onSuccess: () => {
          announce(texts.publish.done(iteration.name, name));
          onClose();
        },
      },
    );
  };
  const suggest = (one: string): void => {
    setName(one);
    forgetError(publish);
  };
  return (
    <Modal opened onClose={onClose} title={texts.publish.dialog(iteration.name)} closeButtonProps={CLOSE}>
      <form onSubmit={send} onChange={() => forgetError(publish)}>
        <Stack>
          <TextInput
            label={texts.publish.name}
            description={texts.publish.nameHint}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={fault && texts.publish.faults[fault]}
            data-autofocus
          />
          <Group gap={6}>
            <Text size="xs" c="dimmed">
              {texts.publish.suggestions}
            </Text>
            {suggested.map((one) => (
              <Button key={one} size="compact-xs" variant="light" onClick={() => suggest(one)}>
                {one}
              </Button>
            ))}
          </Group>
          {holder && <Alert color="orange">{texts.publish.moves(name, holder.name, iteration.name)}</Alert>}
          {iteration.publishName && iteration.publishName !== name && (
            <Alert color="orange">{texts.publish.leaves(iteration.name, iteration.publishName)}</Alert>
          )}
          {publish.error && <ErrorNote error={publish.error} />}
          <Group justify="end">
            <Button variant="default" onClick={onClose}>
              {texts.common.cancel}
            </Button>
            <Button type="submit" loading={publish.isPending} disabled={fault !== null}>
              {holder ? texts.publish.move : texts.publish.publish}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

const CLOSE = { "aria-label": texts.common.close };
