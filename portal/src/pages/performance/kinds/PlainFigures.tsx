import { Alert, Stack, Text } from "@mantine/core";

import { texts } from "@/texts";

import { FiguresSection } from "../figures/FiguresSection";
import { useLive } from "../figures/useLive";
import { Section } from "../Section";
import { TagTable } from "../tags/TagTable";

interface Props {
  project: string;
  iteration: string;
  isDetection: boolean;
}

const THRESHOLD = 0.5;
const OVERLAP = 0.3;

/** What the API says of an iteration that has no evaluation. */
export function PlainFigures({ project, iteration, isDetection }: Props): React.JSX.Element {
  const said = texts.performance;
  const live = useLive(project, iteration, { threshold: THRESHOLD, overlap: isDetection ? OVERLAP : null }, null);
  return (
    <Stack>
      <Alert color="blue" title={said.plain}>
        <Text size="sm">{said.plainText}</Text>
      </Alert>
      <FiguresSection
        live={live}
        precisionHint={said.precisionHint}
        averagePrecisionName={said.averagePrecision}
        reported={null}
        recommended={null}
        marked={[]}
      />
      {live.shown && (
        <Section title={said.tags} note={said.tagsNote}>
          <TagTable label={said.tags} rows={live.shown.rows} />
        </Section>
      )}
    </Stack>
  );
}
