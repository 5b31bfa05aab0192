import { Alert, Button, Group, Paper, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { Link } from "react-router";

import type { Schemas } from "@/api/client";
import { isTrained, useProject } from "@/api/shared";
import { texts } from "@/texts";

import { wasCancelled } from "./states";
import styles from "./training.module.css";

interface Props {
  project: string;
  iteration: Schemas["Iteration"];
}

/** What came of the last training, and what to do next. */
export function Outcome({ project, iteration }: Props): React.JSX.Element | null {
  const said = texts.training;
  if (isTrained(iteration)) return <Trained project={project} iteration={iteration} />;
  if (wasCancelled(iteration)) {
    return (
      <Alert color="gray" mb="md" classNames={{ title: styles["title"] }} title={said.wasCancelled(iteration.name)}>
        {said.wasCancelledText}
      </Alert>
    );
  }
  if (iteration.status !== "Failed") return null;
  return (
    <Alert color="red" mb="md" classNames={{ title: styles["title"] }} title={said.failed(iteration.name)}>
      <Text size="sm" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        {iteration.trainingErrorDetails}
      </Text>
      <Text size="sm" c="dimmed" mt={4}>
        {said.failedText}
      </Text>
    </Alert>
  );
}

function Trained({ project, iteration }: Props): React.JSX.Element {
  const said = texts.training;
  const newest = useProject(project).data?.lastTrainedIteration;
  const performance = newest?.id === iteration.id ? newest.performance : null;
  const { accuracy = null, averagePrecision = null, images = 0 } = performance ?? {};
  return (
    <Paper withBorder p="md" mb="md" component="section" aria-label={said.done(iteration.name)}>
      <Stack gap="sm">
        <Group gap="xs" wrap="nowrap">
          <ThemeIcon color="teal" radius="xl" size="sm" aria-hidden>
            <IconCheck size={14} />
          </ThemeIcon>
          <Title order={2} size="h4" className={styles["name"]}>
            {said.done(iteration.name)}
          </Title>
        </Group>
        {accuracy?.value != null ? (
          <Text size="sm">{said.accuracy(accuracy.value, images)}</Text>
        ) : (
          averagePrecision?.value != null && (
            <Text size="sm">{said.averagePrecision(averagePrecision.value, images)}</Text>
          )
        )}
        <Group gap="xs" role="group" aria-label={said.next}>
          <Button component={Link} to={`/projects/${project}/performance/${iteration.id}`} size="sm">
            {said.see}
          </Button>
          <Button component={Link} to={`/projects/${project}/test`} size="sm" variant="default">
            {said.test}
          </Button>
          {!iteration.publishName && (
            <Button component={Link} to={`/projects/${project}/publish`} size="sm" variant="default">
              {said.publish}
            </Button>
          )}
        </Group>
      </Stack>
    </Paper>
  );
}
