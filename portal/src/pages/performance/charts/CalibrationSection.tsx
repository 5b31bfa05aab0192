import { Text } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { texts } from "@/texts";

import { Section } from "../Section";
import { Reliability } from "./lazy";

interface Props {
  calibration: Schemas["Calibration"] | null;
  note?: string;
}

/** Whether stated probabilities can be believed. */
export function CalibrationSection({ calibration, note }: Props): React.JSX.Element {
  const said = texts.performance;
  if (!calibration) return <Section title={said.calibration}>{<Text size="sm">{said.noCalibration}</Text>}</Section>;
  const { after } = calibration;
  return (
    <Section title={said.calibration} note={[said.calibrated(after.ece, after.eceByChance), note].filter(Boolean).join(" ")}>
      <Reliability calibration={calibration} />
      <Text size="xs" c="dimmed">
        {said.scores(after.ece, after.brier, after.nll)}
      </Text>
    </Section>
  );
}
