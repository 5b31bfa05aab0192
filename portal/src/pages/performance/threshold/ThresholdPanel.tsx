import { Button, Group, Stack, Text } from "@mantine/core";

import { texts } from "@/texts";

import type { Setting } from "../useEvaluation";
import { ShareSlider } from "./ShareSlider";
import type { Chosen } from "./useSetting";

export interface Recommended {
  threshold: number;
  precision: number | null;
  recall: number | null;
}

interface Props {
  chosen: Chosen;
  /** The setting of the report; null where there is none. */
  reported: Setting | null;
  /** One threshold for all tags; null where each tag has its own. */
  recommended: Recommended | null;
  /** Of single tags, marked on the slider. */
  marked: readonly number[];
}

/** The sliders, with the recommended threshold to apply by a click. */
export function ThresholdPanel({ chosen, reported, recommended, marked }: Props): React.JSX.Element {
  const said = texts.performance;
  const { setting, setThreshold, setOverlap } = chosen;
  const marks = [...new Set([...(recommended ? [recommended.threshold] : []), ...marked])];
  return (
    <Stack gap="sm">
      <ShareSlider
        label={said.threshold}
        hint={said.thresholdHint}
        value={setting.threshold}
        onChange={setThreshold}
        marks={marks}
      />
      {setting.overlap !== null && (
        <ShareSlider
          label={said.overlap}
          hint={said.overlapHint}
          value={setting.overlap}
          onChange={setOverlap}
          marks={[]}
        />
      )}
      <Group gap="xs">
        {recommended && (
          <Button variant="light" size="compact-md" onClick={() => setThreshold(recommended.threshold)}>
            {said.useRecommended(recommended.threshold)}
          </Button>
        )}
        {reported && (
          <Button
            variant="default"
            size="compact-md"
            onClick={() => {
              setThreshold(reported.threshold);
              if (reported.overlap !== null) setOverlap(reported.overlap);
            }}
          >
            {said.useReported(reported.threshold)}
          </Button>
        )}
        <Text size="sm" c="dimmed">
          {recommended ? said.expect(recommended.precision, recommended.recall) : marked.length > 0 && said.perTagThresholds}
        </Text>
      </Group>
    </Stack>
  );
}
