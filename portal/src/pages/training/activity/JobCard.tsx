import { Anchor, Badge, Button, Group, Paper, Stack, Text } from "@mantine/core";
import { Link } from "react-router";

import { announce } from "@/components/announce";
import { confirm } from "@/components/confirm";
import { ErrorNote } from "@/components/ErrorNote";
import { JobProgress } from "@/components/JobProgress";
import { texts } from "@/texts";

import styles from "../training.module.css";
import { type Job, isEnded, useCancelJob, useJobDetails } from "./useActivity";
import { secondsOf, subjectOf } from "./words";

const COLOURS = { Waiting: "gray", Running: "pink", Done: "teal", Failed: "red", Cancelled: "gray" } as const;

interface Props {
  job: Job;
  /** Whether its place in the queue and the time left are asked for; not for hundreds that wait. */
  detailed?: boolean;
}

/** A training, an export or a copy of any project. */
export function JobCard({ job, detailed = false }: Props): React.JSX.Element {
  const said = texts.activity;
  const what = subjectOf(job);
  const took = secondsOf(job);
  const facts = [
    said.asked(texts.common.date(job.created)),
    took !== null && said.took(took),
    job.attempts > 1 && said.attempts(job.attempts),
  ].filter(Boolean);
  return (
    <Paper withBorder px="md" py="sm" component="article" aria-label={`${what}, ${job.projectName}`}>
      <Stack gap={6}>
        <Group justify="space-between" align="start" gap="xs" wrap="nowrap">
          <Stack gap={2} miw={0}>
            <Group gap={6}>
              <Text fw={600} className={styles["name"]}>
                {what}
              </Text>
              <Badge variant="light" tt="none" color={COLOURS[job.state]}>
                {said.states[job.state]}
              </Badge>
            </Group>
            <Anchor
              component={Link}
              to={`/projects/${job.projectId}/${job.kind === "Export" ? "export" : "train"}`}
              size="sm"
              className={styles["name"]}
            >
              {job.projectName}
            </Anchor>
          </Stack>
          {!isEnded(job) && <Cancel job={job} what={what} />}
        </Group>
        {!isEnded(job) && <Open job={job} what={what} detailed={detailed} />}
        {job.error && job.state === "Failed" && (
          <Text size="sm" className={styles["lacks"]}>
            {job.error}
          </Text>
        )}
        <Text size="xs" c="dimmed" className={styles["name"]}>
          {facts.join(" · ")}
        </Text>
      </Stack>
    </Paper>
  );
}

function Open({ job, what, detailed }: { job: Job; what: string; detailed: boolean }): React.JSX.Element {
  const details = useJobDetails(job.id, detailed);
  const waits = job.state === "Waiting";
  const known = details.data?.progress ?? {
    stage: waits ? "Queued" : (job.stage ?? "beginning"),
    share: job.share,
    place: null,
    waitsFor: null,
  };
  const stages = job.kind === "Export" ? texts.training.exportStages : {};
  return <JobProgress label={what} progress={known} stages={stages} />;
}

function Cancel({ job, what }: { job: Job; what: string }): React.JSX.Element {
  const said = texts.activity;
  const cancel = useCancelJob();
  const ask = (): void =>
    confirm({
      title: said.cancelTitle(what, job.projectName),
      text: said.cancelText,
      button: said.cancelButton,
      // By the time it is cancelled this may be gone, with what is told to `mutate`.
      confirmed: () =>
        void cancel.mutateAsync(job.id).then(
          () => announce(said.cancelled),
          () => undefined,
        ),
    });
  return (
    <Stack gap={4} align="end" flex="none">
      <Button
        variant="default"
        size="compact-sm"
        onClick={ask}
        loading={cancel.isPending}
        disabled={job.isBeingCancelled}
        aria-label={said.cancelOf(what, job.projectName)}
      >
        {said.cancel}
      </Button>
      {cancel.error && <ErrorNote error={cancel.error} />}
    </Stack>
  );
}
