import { Button, Group, Loader, Modal, Stack, Switch, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useState } from "react";

import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import { KeyRow } from "./KeyRow";
import { NewKeyForm } from "./NewKeyForm";
import { ShownKey } from "./ShownKey";
import { type NewKey, useApiKeys } from "./useApiKeys";

interface Props {
  /** Only keys of this project; absent for all keys of the server. */
  projectId?: string;
}

/** The keys, for who may administer them. */
export function KeysPanel({ projectId }: Props): React.JSX.Element {
  const { found, error, retry } = useApiKeys(projectId);
  const [withEnded, setWithEnded] = useState(false);
  const [isCreating, setCreating] = useState(false);
  const [made, setMade] = useState<NewKey | null>(null);
  const said = texts.server.keys;
  const shown = (found ?? []).filter(({ isActive }) => isActive || withEnded);
  const close = (): void => {
    setCreating(false);
    setMade(null);
  };
  return (
    <Stack>
      {error && <ErrorNote error={error} retry={retry} />}
      {!found && !error && <Loader aria-label={texts.common.loading} />}
      <Group justify="space-between">
        <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
          {said.create}
        </Button>
        {found?.some(({ isActive }) => !isActive) && (
          <Switch
            label={said.withEnded}
            checked={withEnded}
            onChange={(event) => setWithEnded(event.currentTarget.checked)}
          />
        )}
      </Group>
      {found && shown.length === 0 && <Text size="sm">{projectId ? said.noneOfProject : said.none}</Text>}
      <Stack component="ul" gap={0} p={0} m={0} style={{ listStyle: "none" }} aria-label={said.list}>
        {shown.map((one) => (
          <KeyRow key={one.id} shown={one} rotated={setMade} />
        ))}
      </Stack>
      <Modal opened={isCreating && !made} onClose={close} title={said.createTitle} size="lg">
        <NewKeyForm projectId={projectId} done={setMade} cancel={close} />
      </Modal>
      <Modal
        opened={made !== null}
        onClose={close}
        title={said.madeTitle}
        size="lg"
        closeOnClickOutside={false}
        closeOnEscape={false}
      >
        {made && <ShownKey made={made} done={close} />}
      </Modal>
    </Stack>
  );
}
