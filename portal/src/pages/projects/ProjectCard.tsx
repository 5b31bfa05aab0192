import { ActionIcon, Badge, Box, Card, Group, Image, Loader, Menu, Stack, Text, Tooltip } from "@mantine/core";
import { IconCopy, IconDots, IconFlower, IconSettings, IconTrash } from "@tabler/icons-react";
import { Link } from "react-router";

import { texts } from "@/texts";

import styles from "./ProjectCard.module.css";
import { useKindOf } from "./useKindOf";
import type { Project } from "./useProjects";

interface Props {
  project: Project;
  /** Absent where the key may not. */
  copy?: () => void;
  remove?: () => void;
}

/** A project at a glance. */
export function ProjectCard({ project, copy, remove }: Props): React.JSX.Element {
  const kind = useKindOf(project.settings.domainId);
  const said = texts.projects;
  return (
    <Card withBorder padding={0} component="article" aria-label={project.name} className={styles["card"]}>
      <Link to={`/projects/${project.id}`} className={styles["cover"]} aria-label={said.open(project.name)}>
        {project.thumbnailUri ? (
          <Image src={project.thumbnailUri} alt="" h={140} fit="cover" loading="lazy" />
        ) : (
          <Box h={140} className={styles["blank"]}>
            <IconFlower size={40} stroke={1} aria-hidden />
            <Text size="xs">{said.noPhotos}</Text>
          </Box>
        )}
      </Link>
      <Stack gap={4} p="sm" flex={1}>
        <Group justify="space-between" wrap="nowrap" gap="xs">
          <Text component="h2" fw={600} truncate title={project.name} className={styles["name"]}>
            {project.name}
          </Text>
          <More project={project} copy={copy} remove={remove} />
        </Group>
        {project.description && (
          <Text size="sm" c="dimmed" lineClamp={2}>
            {project.description}
          </Text>
        )}
        <Text size="sm">{said.counts(project.imageCount, project.tagCount)}</Text>
        <Figure project={project} />
        <Group gap={6} mt="auto" pt={4}>
          {kind && (
            <Badge variant="light" color="gray" tt="none">
              {said.kinds[kind].short}
            </Badge>
          )}
          <State project={project} />
          {project.published.map(({ publishName }) => (
            <Badge key={publishName} variant="light" color="teal" tt="none" title={said.published} maw="100%">
              {publishName}
            </Badge>
          ))}
        </Group>
      </Stack>
    </Card>
  );
}

/** The figure of the newest trained iteration: accuracy where there is one, else the average precision. */
function Figure({ project }: { project: Project }): React.JSX.Element {
  const iteration = project.lastTrainedIteration;
  const said = texts.projects;
  const { accuracy = null, averagePrecision = null } = iteration?.performance ?? {};
  const value = (accuracy ?? averagePrecision)?.value ?? null;
  if (!iteration || value === null) {
    return (
      <Text size="sm" c="dimmed">
        {iteration ? said.trainedAs(iteration.name) : said.notTrained}
      </Text>
    );
  }
  const share = texts.common.percent(value);
  return (
    <Tooltip label={accuracy ? said.accuracyExplained : said.averagePrecisionExplained} multiline w={240}>
      <Text size="sm" fw={500}>
        {accuracy ? said.accuracy(share, iteration.name) : said.averagePrecision(share, iteration.name)}
      </Text>
    </Tooltip>
  );
}

function State({ project }: { project: Project }): React.JSX.Element | null {
  const busy = <Loader size={10} color="currentColor" aria-hidden />;
  if (project.status === "Importing") return <Badge leftSection={busy}>{texts.projects.importing}</Badge>;
  if (project.status === "Failed") return <Badge color="red">{texts.projects.failed}</Badge>;
  if (project.isTraining) return <Badge leftSection={busy}>{texts.projects.training}</Badge>;
  return null;
}

function More({ project, copy, remove }: Props): React.JSX.Element {
  const said = texts.projects;
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={said.actions(project.name)} className={styles["more"]}>
          <IconDots size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          component={Link}
          to={`/projects/${project.id}/settings`}
          leftSection={<IconSettings size={16} aria-hidden />}
        >
          {said.settings}
        </Menu.Item>
        {copy && (
          <Menu.Item leftSection={<IconCopy size={16} aria-hidden />} onClick={copy}>
            {said.copy}
          </Menu.Item>
        )}
        {remove && (
          <Menu.Item color="red" leftSection={<IconTrash size={16} aria-hidden />} onClick={remove}>
            {said.delete}
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
