import { Anchor, Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { Link } from "react-router";

import type { Schemas } from "@/api/client";
import { useMay } from "@/api/shared";
import { announce } from "@/components/announce";
import { confirm } from "@/components/confirm";
import { ErrorNote } from "@/components/ErrorNote";
import { JobProgress } from "@/components/JobProgress";
import { texts } from "@/texts";

import { useCancelTraining, useTrainingProgress } from "./useTraining";

interface Props {
  project: string;
  iteration: Schemas["Iteration"];
}

const BEGINNING = { stage: "Queued", share: 0, place: null, waitsFor: null };

/** A training: how far it is, how long it takes, and a way to end it. */
export function UnderWay({ project, iteration }: Props): React.JSX.Element {
  const { id, name } = iteration;
  const progress = useTrainingProgress(project, id);
  const cancel = useCancelTraining(project);
  const may = useMay();
  const isEnding = progress.data?.stage === "cancelling" || cancel.isSuccess;
  const ask = (): void =>
    confirm({
      title: texts.training.cancelTitle(name),
      text: texts.training.cancelText,
      button: texts.training.cancel,
      // By the time it is cancelled this may be gone, with what is told to `mutate`.
      confirmed: () =>
        void cancel.mutateAsync(id).then(
          () => announce(texts.training.cancelled(name)),
          () => undefined,
        ),
    });
  return (
    <Paper withBorder p="md" mb="md" component="section" aria-label={texts.training.underWay(name)}>
      <Stack gap="sm">
        <Title order={2} size="h4">
          {texts.training.underWay(name)}
        </Title>
        <JobProgress label={texts.training.progress} progress={progress.data ?? BEGINNING} />
        {progress.error && <ErrorNote error={progress.error} />}
        <Group justify="space-between" gap="sm">
          <Text size="sm" c="dimmed">
            {texts.training.leave}{" "}
            {may.administer && (
              <Anchor component={Link} to="/activity" size="sm" underline="always">
                {texts.training.all}
              </Anchor>
            )}
          </Text>
          {may.write && (
            <Button variant="default" onClick={ask} loading={cancel.isPending} disabled={isEnding}>
              {texts.training.cancel}
            </Button>
          )}
        </Group>
        {cancel.error && <ErrorNote error={cancel.error} />}
      </Stack>
    </Paper>
  );
}
