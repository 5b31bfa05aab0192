import { Badge, Button, Group, Stack, Text } from "@mantine/core";

import { useMe } from "@/api/shared";
import { announce } from "@/components/announce";
import { confirm } from "@/components/confirm";
import { ErrorNote } from "@/components/ErrorNote";
import { useProjects } from "@/pages/projects/useProjects";
import { texts } from "@/texts";

import styles from "./KeyRow.module.css";
import { type Key, type NewKey, useRevokeKey, useRotateKey } from "./useApiKeys";

interface Props {
  shown: Key;
  /** Is given the key that has come in its place. */
  rotated: (made: NewKey) => void;
}

/** A key without its secret, and what can be done to it. */
export function KeyRow({ shown, rotated }: Props): React.JSX.Element {
  const { id, name, hint, scope, isActive } = shown;
  const isOwn = useMe().data?.id === id;
  const rotate = useRotateKey(rotated);
  const revoke = useRevokeKey();
  const said = texts.server.keys;
  const askRotate = (): void =>
    confirm({
      title: said.rotateTitle(name),
      text: isOwn ? said.rotateOwn : said.rotateText,
      button: said.rotate,
      confirmed: () => rotate.mutate(id),
    });
  const askRevoke = (): void =>
    confirm({
      title: said.revokeTitle(name),
      text: isOwn ? said.revokeOwn : said.revokeText,
      button: said.revoke,
      confirmed: () => revoke.mutate(id, { onSuccess: () => announce(said.revoked(name)) }),
    });
  const error = rotate.error ?? revoke.error;
  return (
    <li className={styles["row"]}>
      <Group justify="space-between" gap="sm">
        <Stack gap={2} miw={0} flex="1 1 240px">
          <Group gap="xs">
            <Text fw={500} size="sm" className={styles["name"]}>
              {name}
            </Text>
            <Badge variant="light" color="gray" tt="none">
              {said.scopes[scope].name}
            </Badge>
            {isOwn && (
              <Badge variant="light" color="teal" tt="none">
                {said.own}
              </Badge>
            )}
          </Group>
          <Text size="xs" c="dimmed">
            {said.endsIn(hint)} · <Opens projectId={shown.projectId} /> · {stateOf(shown)}
          </Text>
        </Stack>
        {isActive && (
          <Group gap="xs">
            <Button size="xs" variant="default" onClick={askRotate} loading={rotate.isPending}>
              {said.rotate}
            </Button>
            <Button size="xs" variant="outline" color="red" onClick={askRevoke} loading={revoke.isPending}>
              {said.revoke}
            </Button>
          </Group>
        )}
      </Group>
      {error && <ErrorNote error={error} />}
    </li>
  );
}

function Opens({ projectId }: { projectId: string | null }): React.JSX.Element {
  const { projects = [] } = useProjects();
  const said = texts.server.keys;
  if (projectId === null) return <>{said.allProjects}</>;
  return <>{projects.find(({ id }) => id === projectId)?.name ?? said.unknownProject(projectId)}</>;
}

function stateOf({ created, expires, revoked, isActive }: Key): string {
  const said = texts.server.keys;
  const date = texts.common.date;
  if (revoked !== null) return said.revokedAt(date(revoked));
  if (expires !== null) return isActive ? said.expiresAt(date(expires)) : said.expiredAt(date(expires));
  return said.createdAt(date(created));
}
