import { ActionIcon, Anchor, Badge, Group, Menu, Paper, Stack, Text, Title } from "@mantine/core";
import { IconDots, IconPencil, IconTrash } from "@tabler/icons-react";
import { Link } from "react-router";

import type { Schemas } from "@/api/client";
import { isTrained, isUnderWay, useMay } from "@/api/shared";
import { announce, announceError } from "@/components/announce";
import { confirm } from "@/components/confirm";
import { texts } from "@/texts";

import { openRenameForm } from "./RenameForm";
import { wasCancelled } from "./states";
import styles from "./training.module.css";
import { useDeleteIteration } from "./useTraining";

const COLOURS: Record<string, string> = { Training: "pink", Completed: "teal", Exporting: "teal", Failed: "red" };

interface Props {
  project: string;
  iterations: readonly Schemas["Iteration"][];
}

/** The iterations, the newest first: how they were trained, how long it took, and what came of it. */
export function Iterations({ project, iterations }: Props): React.JSX.Element {
  return (
    <Stack gap="sm" component="section" aria-label={texts.training.iterations}>
      <Title order={2} size="h4">
        {texts.training.iterations}
      </Title>
      {iterations.length === 0 && (
        <Text size="sm" c="dimmed">
          {texts.training.noIterations}
        </Text>
      )}
      <Stack gap="xs" component="ul" className={styles["list"]}>
        {iterations.map((one) => (
          <li key={one.id}>
            <Row project={project} iteration={one} />
          </li>
        ))}
      </Stack>
    </Stack>
  );
}

interface RowProps {
  project: string;
  iteration: Schemas["Iteration"];
}

function Row({ project, iteration }: RowProps): React.JSX.Element {
  const said = texts.training;
  const may = useMay();
  const cancelled = wasCancelled(iteration);
  const facts = [
    said.how(iteration.trainingType === "Advanced", iteration.reservedBudgetInHours),
    texts.common.date(iteration.created),
    isTrained(iteration) && said.minutes(iteration.trainingTimeInMinutes),
  ].filter(Boolean);
  return (
    <Paper withBorder px="md" py="sm">
      <Group justify="space-between" wrap="nowrap" align="start" gap="xs">
        <Stack gap={2} miw={0}>
          <Group gap={6}>
            <Text fw={600} className={styles["name"]}>
              {iteration.name}
            </Text>
            <Badge variant="light" tt="none" color={cancelled ? "gray" : (COLOURS[iteration.status] ?? "gray")}>
              {said.states[cancelled ? "Cancelled" : iteration.status] ?? iteration.status}
            </Badge>
            {iteration.publishName && (
              <Badge variant="light" tt="none" color="blue">
                {said.publishedAs(iteration.publishName)}
              </Badge>
            )}
          </Group>
          <Text size="sm" c="dimmed">
            {facts.join(" · ")}
          </Text>
          {iteration.status === "Failed" && !cancelled && (
            <Text size="sm" lineClamp={3} className={styles["lacks"]} title={iteration.trainingErrorDetails ?? ""}>
              {iteration.trainingErrorDetails}
            </Text>
          )}
          {isTrained(iteration) && (
            <Anchor
              component={Link}
              to={`/projects/${project}/performance/${iteration.id}`}
              size="sm"
              aria-label={said.performanceOf(iteration.name)}
            >
              {said.performance}
            </Anchor>
          )}
        </Stack>
        {may.write && !isUnderWay(iteration) && <More project={project} iteration={iteration} />}
      </Group>
    </Paper>
  );
}

function More({ project, iteration }: RowProps): React.JSX.Element {
  const said = texts.training;
  const remove = useDeleteIteration(project);
  const { id, name, publishName } = iteration;
  const ask = (): void =>
    confirm({
      title: said.deleteTitle(name),
      text: said.deleteText,
      // By the time it is deleted this is gone, with what is told to `mutate`.
      confirmed: () => void remove.mutateAsync(id).then(() => announce(said.deleted(name)), announceError),
    });
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={said.more(name)}>
          <IconDots size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          leftSection={<IconPencil size={16} aria-hidden />}
          onClick={() => openRenameForm({ project, iteration })}
        >
          {said.rename}
        </Menu.Item>
        <Menu.Item
          color="red"
          leftSection={<IconTrash size={16} aria-hidden />}
          disabled={publishName !== null}
          onClick={ask}
        >
          {publishName === null ? said.delete : said.deletePublished}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
