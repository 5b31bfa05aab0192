import { Alert, Button, Group, List, Paper, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";

import { ApiError } from "@/api/errors";
import type { Schemas } from "@/api/client";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError } from "@/components/submits";
import { texts } from "@/texts";

import { type Plan, type Rules, isPossible, planOf } from "./plan";
import { Recipe } from "./Recipe";
import { TagsToTrain } from "./TagsToTrain";
import styles from "./training.module.css";
import { useTrain } from "./useTraining";

const UNCHANGED = "BadRequestTrainingNotNeeded";

interface Props {
  project: string;
  tags: readonly Schemas["Tag"][];
  rules: Rules;
  untagged: number;
  /** Whether a training is under way already. */
  busy: boolean;
}

/** How thoroughly to train, and which tags. */
export function TrainForm({ project, tags, rules, untagged, busy }: Props): React.JSX.Element {
  const said = texts.training;
  const [type, setType] = useState<Schemas["TrainingType"]>("Regular");
  const [hours, setHours] = useState<number | null>(1);
  const [leftOut, setLeftOut] = useState<ReadonlySet<string>>(new Set());
  const train = useTrain(project);
  const plan = planOf(tags, leftOut, rules);
  const ready = isPossible(plan) && !busy && (type === "Regular" || hours !== null);
  const send = (force: boolean): void =>
    train.mutate({ type, budgetHours: hours ?? 0, selected: plan.selected, force });
  const unchanged = train.error instanceof ApiError && train.error.code === UNCHANGED;
  const submit = (event: React.FormEvent): void => {
    event.preventDefault();
    if (ready && !train.isPending) send(false);
  };
  const changed = <T,>(set: (value: T) => void) => (value: T): void => {
    forgetError(train);
    set(value);
  };
  return (
    <Paper withBorder p="md" component="form" onSubmit={submit} aria-label={said.form}>
      <Stack>
        <Title order={2} size="h4">
          {said.form}
        </Title>
        <Recipe
          detects={rules.detects}
          type={type}
          onType={changed(setType)}
          hours={hours}
          onHours={changed(setHours)}
        />
        <TagsToTrain
          project={project}
          tags={tags}
          rules={rules}
          leftOut={leftOut}
          onLeaveOut={changed(setLeftOut)}
          untagged={untagged}
        />
        <div aria-live="polite">{!isPossible(plan) && <Hindrances plan={plan} rules={rules} />}</div>
        {busy && <Text size="sm">{said.busy}</Text>}
        {train.error && <ErrorNote error={train.error} />}
        <Group gap="md">
          <Button type="submit" disabled={!ready} loading={train.isPending}>
            {said.train}
          </Button>
          {unchanged && (
            <Button variant="default" onClick={() => send(true)} disabled={!ready}>
              {said.trainAnyway}
            </Button>
          )}
          <Text size="sm" c="dimmed">
            {said.trainTags(plan.trained.length, plan.photos)}
          </Text>
        </Group>
      </Stack>
    </Paper>
  );
}

function Hindrances({ plan, rules }: { plan: Plan; rules: Rules }): React.JSX.Element {
  const said = texts.training;
  const { least } = rules.goals;
  return (
    <Alert color="orange" classNames={{ title: styles["title"] }} title={said.hindrances}>
      <List size="sm" spacing={2}>
        {plan.few.map(({ tag, missing }) => (
          <List.Item key={tag.id}>{said.fewPhotos(tag.name, tag.imageCount, missing, least)}</List.Item>
        ))}
        {plan.missingTags > 0 && (
          <List.Item>{said.fewTags(plan.trained.length, rules.leastTags, least)}</List.Item>
        )}
      </List>
    </Alert>
  );
}
