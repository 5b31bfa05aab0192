import { Alert, Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { Link, useNavigate } from "react-router";

import type { Schemas } from "@/api/client";
import { useTags } from "@/api/shared";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError } from "@/components/submits";
import { TagPicker } from "@/components/TagPicker";
import { texts } from "@/texts";

import { useCorrect } from "./useQuickTest";
import type { Test } from "./visit";

interface Props {
  project: string;
  test: Test;
  isMultilabel: boolean;
}

/** What was wrong becomes a training photo with the right tags. */
export function TagCorrection({ project, test, isMultilabel }: Props): React.JSX.Element {
  const tags = useTags(project).data ?? [];
  const correct = useCorrect(project);
  const [isOpen, setOpen] = useState(false);
  const [chosen, setChosen] = useState<string[]>([]);
  if (test.corrected) return <Corrected project={project} test={test} />;
  if (!isOpen) {
    return (
      <Group>
        <Button variant="default" size="compact-md" onClick={() => setOpen(true)}>
          {texts.quickTest.wrong}
        </Button>
      </Group>
    );
  }
  const named = tags.filter(({ id }) => chosen.includes(id)).map(({ id, name }) => ({ id, name }));
  return (
    <Stack gap="xs">
      <TagPicker
        projectId={project}
        value={chosen}
        onChange={(ids) => {
          setChosen(ids);
          forgetError(correct);
        }}
        multiple={isMultilabel}
        label={isMultilabel ? texts.quickTest.rights : texts.quickTest.right}
        autoFocus
      />
      {correct.error && <ErrorNote error={correct.error} />}
      <Group gap="xs">
        <Button
          onClick={() => correct.mutate({ test, tags: named, regions: [] })}
          loading={correct.isPending}
          disabled={named.length === 0}
        >
          {texts.quickTest.add}
        </Button>
        <Button variant="subtle" onClick={() => setOpen(false)}>
          {texts.common.cancel}
        </Button>
      </Group>
    </Stack>
  );
}

/** A detector's mistake joins with the boxes that are shown, and is corrected in the editor. */
export function BoxCorrection(props: {
  project: string;
  test: Test;
  shown: readonly Schemas["Prediction"][];
}): React.JSX.Element {
  const { project, test, shown } = props;
  const correct = useCorrect(project);
  const go = useNavigate();
  if (test.corrected) return <Corrected project={project} test={test} />;
  const keepsBoxes = test.stored || test.photo === null;
  const regions = shown.flatMap(({ tagId, boundingBox }) => (boundingBox ? [{ tagId, ...boundingBox }] : []));
  const add = (): void =>
    correct.mutate(
      { test, tags: [], regions },
      { onSuccess: (image) => void go(`/projects/${project}/images/${image}`) },
    );
  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">
        {keepsBoxes ? texts.quickTest.boxesWrong : texts.quickTest.boxesUnkept}
      </Text>
      {correct.error && <ErrorNote error={correct.error} />}
      <Group>
        <Button variant="default" onClick={add} loading={correct.isPending}>
          {texts.quickTest.addAndEdit}
        </Button>
      </Group>
    </Stack>
  );
}

function Corrected({ project, test }: { project: string; test: Test }): React.JSX.Element {
  return (
    <Alert color="teal" role="status">
      <Text size="sm">
        {texts.quickTest.corrected(test.corrected ?? [])} {texts.quickTest.trainAgain}
      </Text>
      {test.imageId && (
        <Anchor component={Link} size="sm" to={`/projects/${project}/images/${test.imageId}`}>
          {texts.quickTest.openImage}
        </Anchor>
      )}
    </Alert>
  );
}
