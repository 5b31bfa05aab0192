import { Alert, Loader, Paper, Stack, Text, Title } from "@mantine/core";

import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import styles from "../training.module.css";
import { type Job, useWorkers } from "./useActivity";
import { subjectOf } from "./words";

/** The processes that do the jobs, and what each is doing. */
export function Workers({ open }: { open: readonly Job[] }): React.JSX.Element {
  const said = texts.activity;
  const workers = useWorkers(true);
  return (
    <Stack gap="sm" component="section" aria-label={said.workers}>
      <Title order={2} size="h4">
        {said.workers}
      </Title>
      {workers.error && !workers.data && (
        <ErrorNote error={workers.error} retry={() => void workers.refetch()} />
      )}
      {workers.isPending && <Loader size="sm" aria-label={texts.common.loading} />}
      {workers.data?.length === 0 && (
        <Alert color="orange" classNames={{ title: styles["title"] }} title={said.noWorkers}>
          {said.noWorkersText}
        </Alert>
      )}
      <Stack gap="xs" component="ul" className={styles["list"]}>
        {workers.data?.map((worker) => {
          const job = open.find(({ id }) => id === worker.jobId);
          const does = job ? said.worksOn(subjectOf(job), job.projectName) : worker.jobId ? said.busy : said.idle;
          return (
            <Paper key={worker.name} component="li" withBorder px="md" py="sm">
              <Text size="sm" fw={600}>
                {said.lanes[worker.lane]}
              </Text>
              <Text size="sm" className={styles["name"]}>
                {does}
              </Text>
              <Text size="xs" c="dimmed" className={styles["name"]}>
                {worker.name}
              </Text>
            </Paper>
          );
        })}
      </Stack>
      <Text size="xs" c="dimmed">
        {said.workersHint}
      </Text>
    </Stack>
  );
}
