import { Group, Progress, Text } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { texts } from "@/texts";

type Said = Pick<Schemas["JobProgress"], "stage" | "share" | "place" | "waitsFor"> &
  Partial<Pick<Schemas["JobProgress"], "secondsLeft" | "secondsUntilStart">>;

interface Props {
  label: string;
  progress: Said;
  /** What stages of this kind of job are called, where it is not what they are called in trainings. */
  stages?: Record<string, string>;
}

/** How far a training or an export is, and what it waits for. */
export function JobProgress({ label, progress, stages = {} }: Props): React.JSX.Element {
  const { stage, share, place, waitsFor } = progress;
  const said = texts.training;
  const name = stage === null ? "" : (stages[stage] ?? said.stages[stage] ?? stage);
  const waits = place !== null;
  const times = [
    waits && said.place(place),
    waits && progress.secondsUntilStart != null && said.startsIn(progress.secondsUntilStart),
    progress.secondsLeft != null && said.left(progress.secondsLeft),
  ].filter(Boolean);
  return (
    <div>
      <Group justify="space-between" gap="xs" mb={4}>
        <Text size="sm" fw={500} role="status">
          {name}
        </Text>
        <Text size="sm" c="dimmed">
          {times.join(", ")}
        </Text>
      </Group>
      <Progress.Root size="lg">
        <Progress.Section
          value={waits ? 100 : Math.max(3, share * 100)}
          color={waits ? "gray" : "pink"}
          striped
          animated
          withAria={false}
          role="progressbar"
          aria-label={label}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={waits ? 0 : Math.round(share * 100)}
          aria-valuetext={[name, texts.common.percent(waits ? 0 : share)].join(", ")}
        />
      </Progress.Root>
      {waitsFor && (
        <Text size="sm" c="dimmed" mt={4}>
          {waitsFor}
        </Text>
      )}
    </div>
  );
}
