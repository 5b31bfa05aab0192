import { Alert, Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { Link } from "react-router";

import { useMay, useMe } from "@/api/shared";
import { ErrorNote } from "@/components/ErrorNote";
import { daysOf } from "@/pages/settings/keys/lifetime";
import { texts } from "@/texts";

import { CopyableLine } from "@/components/Copyable";
import { useNewPredictionKey } from "./usePublish";

interface Props {
  project: string;
  name: string;
  created: string | null;
  onCreated: (key: string) => void;
}

/** The key that programs send: made here by who may, since keys are shown once. */
export function PredictionKey({ project, name, created, onCreated }: Props): React.JSX.Element {
  const may = useMay();
  const create = useNewPredictionKey(project);
  const expires = useMe().data?.expires ?? null; // a key that ends makes none that lives longer
  const ends = expires !== null && <Text size="sm">{texts.publish.keyEnds(texts.common.date(expires))}</Text>;
  if (created) {
    return (
      <Stack gap="xs">
        <CopyableLine label={texts.publish.key} text={created} />
        <Alert color="orange">
          {texts.publish.keyOnce} {ends}
        </Alert>
      </Stack>
    );
  }
  if (!may.administer) {
    return (
      <Text size="sm" c="dimmed">
        {texts.publish.keyFromAdmin}
      </Text>
    );
  }
  const make = (): void => {
    const days = daysOf(expires === null ? "forever" : "own", expires, Date.now());
    create.mutate({ name: texts.publish.keyName(name), days }, { onSuccess: ({ key }) => onCreated(key) });
  };
  return (
    <Stack gap="xs">
      <Group gap="sm">
        <Button variant="light" onClick={make} loading={create.isPending}>
          {texts.publish.makeKey}
        </Button>
        <Text size="sm" c="dimmed" flex={1} miw={200}>
          {texts.publish.makeKeyHint}{" "}
          <Anchor component={Link} to={`/projects/${project}/settings`} size="sm">
            {texts.publish.allKeys}
          </Anchor>
        </Text>
      </Group>
      {ends}
      {create.error && <ErrorNote error={create.error} />}
    </Stack>
  );
}
