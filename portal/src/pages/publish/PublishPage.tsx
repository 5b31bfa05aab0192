import { Badge, Button, Group, Loader, Paper, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";

import type { Schemas } from "@/api/client";
import { isTrained, useIsDetection, useIterations, useMay } from "@/api/shared";
import { announce } from "@/components/announce";
import { confirm } from "@/components/confirm";
import { EmptyNote } from "@/components/EmptyNote";
import { ErrorNote } from "@/components/ErrorNote";
import { useProjectId } from "@/components/useProjectId";
import { texts } from "@/texts";

import { AskDialog } from "./AskDialog";
import { PublishDialog } from "./PublishDialog";
import { useUnpublish } from "./usePublish";

/** Which iterations programs may ask, and under which names. */
export default function PublishPage(): React.JSX.Element {
  const project = useProjectId();
  const iterations = useIterations(project);
  const isDetection = useIsDetection(project);
  const may = useMay();
  const [publishing, setPublishing] = useState<Schemas["Iteration"] | null>(null);
  const [asked, setAsked] = useState<string | null>(null);
  if (iterations.error && !iterations.data) {
    return <ErrorNote error={iterations.error} retry={() => void iterations.refetch()} />;
  }
  if (!iterations.data || isDetection === undefined) return <Loader aria-label={texts.common.loading} />;
  const trained = iterations.data.filter(isTrained);
  if (trained.length === 0) {
    return (
      <EmptyNote title={texts.publish.untrained} text={texts.publish.untrainedText}>
        <Button component={Link} to={`/projects/${project}/train`}>
          {texts.publish.train}
        </Button>
      </EmptyNote>
    );
  }
  return (
    <Stack maw={860}>
      <Text size="sm" c="dimmed">
        {texts.publish.intro}
      </Text>
      <Stack component="ul" gap="sm" p={0} m={0} style={{ listStyle: "none" }} aria-label={texts.publish.list}>
        {trained.map((one) => (
          <li key={one.id}>
            <IterationRow
              project={project}
              iteration={one}
              mayWrite={may.write}
              onPublish={() => setPublishing(one)}
              onAsk={() => setAsked(one.publishName)}
            />
          </li>
        ))}
      </Stack>
      {publishing && (
        <PublishDialog
          project={project}
          iteration={publishing}
          all={trained}
          onClose={() => setPublishing(null)}
        />
      )}
      {asked !== null && (
        <AskDialog project={project} name={asked} isDetection={isDetection} onClose={() => setAsked(null)} />
      )}
    </Stack>
  );
}

interface RowProps {
  project: string;
  iteration: Schemas["Iteration"];
  mayWrite: boolean;
  onPublish: () => void;
  onAsk: () => void;
}

function IterationRow({ project, iteration, mayWrite, onPublish, onAsk }: RowProps): React.JSX.Element {
  const unpublish = useUnpublish(project);
  const { id, name, publishName, trainedAt } = iteration;
  const ask = (): void => {
    if (!publishName) return;
    confirm({
      title: texts.publish.unpublishTitle(publishName),
      text: texts.publish.unpublishText(publishName),
      button: texts.publish.unpublish,
      confirmed: () => unpublish.mutate(id, { onSuccess: () => announce(texts.publish.unpublished(publishName)) }),
    });
  };
  return (
    <Paper withBorder p="md">
      <Group justify="space-between" gap="sm">
        <Stack gap={2} miw={0}>
          <Group gap="xs">
            <Title order={2} size="h5">
              {name}
            </Title>
            {publishName && (
              <Badge color="teal" variant="light" tt="none">
                {texts.publish.publishedAs(publishName)}
              </Badge>
            )}
          </Group>
          {trainedAt && (
            <Text size="xs" c="dimmed">
              {texts.publish.trainedAt(texts.common.date(trainedAt))}
            </Text>
          )}
        </Stack>
        <Group gap="xs">
          {publishName && <Button onClick={onAsk}>{texts.publish.howToAsk}</Button>}
          {mayWrite && (
            <Button variant={publishName ? "default" : "filled"} onClick={onPublish}>
              {publishName ? texts.publish.otherName : texts.publish.publish}
            </Button>
          )}
          {mayWrite && publishName && (
            <Button variant="default" onClick={ask} loading={unpublish.isPending}>
              {texts.publish.unpublish}
            </Button>
          )}
        </Group>
      </Group>
      {unpublish.error && <ErrorNote error={unpublish.error} />}
    </Paper>
  );
}
