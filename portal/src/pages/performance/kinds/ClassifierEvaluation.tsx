import { Stack } from "@mantine/core";

import { texts } from "@/texts";

import { CalibrationSection } from "../charts/CalibrationSection";
import { CurvesSection } from "../charts/CurvesSection";
import { LearningSection } from "../charts/LearningSection";
import { ConfusionSection } from "../confusion/ConfusionSection";
import { FiguresSection } from "../figures/FiguresSection";
import { FigureTile } from "../figures/FigureTile";
import { figureOf } from "../figures/figure";
import { useLive } from "../figures/useLive";
import styles from "../Performance.module.css";
import { Section } from "../Section";
import { TagTable } from "../tags/TagTable";
import { type Classified, tagsOf } from "../useEvaluation";
import { confusionsOf, reportedOf } from "./classifier";

interface Props {
  project: string;
  iteration: string;
  evaluation: Classified;
}

/** All that is known of a model that says what a photo shows. */
export function ClassifierEvaluation({ project, iteration, evaluation }: Props): React.JSX.Element {
  const said = texts.performance;
  const reported = reportedOf(evaluation);
  const live = useLive(project, iteration, reported, reported);
  const shared = { project, iteration };
  const { heldOut } = evaluation;
  const { overall } = heldOut;
  return (
    <Stack>
      <FiguresSection
        live={live}
        precisionHint={said.precisionHint}
        averagePrecisionName={said.averagePrecision}
        reported={reported}
        recommended={null}
        marked={evaluation.thresholds.map(({ threshold }) => threshold)}
      >
        <FigureTile
          name={said.accuracy}
          hint={said.accuracyHint(overall.correct, overall.images)}
          figure={figureOf(overall.accuracy, evaluation.confidence)}
        />
      </FiguresSection>
      {live.shown && (
        <Section title={said.tags} note={said.tagsNote}>
          <TagTable label={said.tags} rows={live.shown.rows} onApply={live.chosen.setThreshold} />
        </Section>
      )}
      <div className={styles["pair"]}>
        {live.shown && (
          <ConfusionSection {...shared} confusions={confusionsOf(evaluation, heldOut, tagsOf(live.shown.found))} />
        )}
        <CurvesSection live={live} reported={reported} curves={heldOut.curves} />
        <CalibrationSection calibration={heldOut.calibration} />
        {evaluation.learning && <LearningSection learning={evaluation.learning} />}
      </div>
    </Stack>
  );
}
