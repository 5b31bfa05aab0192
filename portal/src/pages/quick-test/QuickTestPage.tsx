import { Button, Loader, Select, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";

import { isTrained, useIsDetection, useIterations, useMay, useProject } from "@/api/shared";
import { EmptyNote } from "@/components/EmptyNote";
import { ErrorNote } from "@/components/ErrorNote";
import { useProjectId } from "@/components/useProjectId";
import { texts } from "@/texts";

import { PhotoSource } from "./PhotoSource";
import styles from "./QuickTest.module.css";
import { TestHistory } from "./TestHistory";
import { Asking, BoxResult, TagResult } from "./TestResult";
import { useAsk } from "./useQuickTest";
import { useVisit } from "./visit";

/** Try a photo on any trained iteration. */
export default function QuickTestPage(): React.JSX.Element {
  const project = useProjectId();
  const iterations = useIterations(project);
  const isDetection = useIsDetection(project);
  const isMultilabel = useProject(project).data?.settings.classificationType === "Multilabel";
  const may = useMay();
  const ask = useAsk(project);
  const tests = useVisit(project);
  const [keep, setKeep] = useState(true);
  const [chosen, setChosen] = useState<string | null>(null);
  const [shown, setShown] = useState<string | null>(null);
  if (iterations.error && !iterations.data) {
    return <ErrorNote error={iterations.error} retry={() => void iterations.refetch()} />;
  }
  if (!iterations.data || isDetection === undefined) return <Loader aria-label={texts.common.loading} />;
  const trained = iterations.data.filter(isTrained);
  const iterationId = chosen ?? trained[0]?.id;
  if (!iterationId) {
    return (
      <EmptyNote title={texts.quickTest.untrained} text={texts.quickTest.untrainedText}>
        <Button component={Link} to={`/projects/${project}/train`}>
          {texts.quickTest.train}
        </Button>
      </EmptyNote>
    );
  }
  if (!may.write) return <EmptyNote title={texts.quickTest.title} text={texts.quickTest.needsKey} />;
  const test = tests.find(({ id }) => id === shown) ?? tests[0];
  const Result = isDetection ? BoxResult : TagResult;
  const take = (source: Blob | string): void =>
    ask.mutate({ iterationId, source, store: keep }, { onSuccess: ({ id }) => setShown(id) });
  return (
    <div className={styles["columns"]}>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          {texts.quickTest.intro}
        </Text>
        <Select
          label={texts.quickTest.iteration}
          data={trained.map(({ id, name, publishName }) => ({
            value: id,
            label: texts.quickTest.iterationName(name, publishName),
          }))}
          value={iterationId}
          onChange={setChosen}
          allowDeselect={false}
        />
        <PhotoSource onPhoto={take} keep={keep} onKeep={setKeep} busy={ask.isPending} />
      </Stack>
      <Stack gap="lg">
        {!test && !ask.isPending && !ask.error && (
          <Text c="dimmed" ta="center" className={styles["nothing"]}>
            {texts.quickTest.here}
          </Text>
        )}
        {ask.isPending && <Asking />}
        {ask.error && <ErrorNote error={ask.error} />}
        {test && <Result key={test.id} project={project} test={test} />}
        {test && tests.length > 1 && <TestHistory kind={{ isDetection, isMultilabel }} tests={tests} shown={test.id} onShow={setShown} />}
      </Stack>
    </div>
  );
}
