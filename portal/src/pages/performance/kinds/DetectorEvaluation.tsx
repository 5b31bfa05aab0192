import { Stack } from "@mantine/core";

import { texts } from "@/texts";

import { CalibrationSection } from "../charts/CalibrationSection";
import { CurvesSection } from "../charts/CurvesSection";
import { BoxLearningSection, OverlapSection } from "../charts/LearningSection";
import { ConfusionSection } from "../confusion/ConfusionSection";
import { FiguresSection } from "../figures/FiguresSection";
import { FigureTile } from "../figures/FigureTile";
import { figureOf } from "../figures/figure";
import { useLive } from "../figures/useLive";
import styles from "../Performance.module.css";
import { Section } from "../Section";
import { TagTable } from "../tags/TagTable";
import { type Detected, tagsOf } from "../useEvaluation";
import { confusionsOf, reportedOf } from "./detector";

interface Props {
  project: string;
  iteration: string;
  evaluation: Detected;
}

/** All that is known of a model that finds objects with boxes. */
export function DetectorEvaluation({ project, iteration, evaluation }: Props): React.JSX.Element {
  const said = texts.performance;
  const reported = reportedOf(evaluation);
  const live = useLive(project, iteration, reported, reported);
  const shared = { project, iteration };
  const { heldOut } = evaluation;
  const { overall } = heldOut;
  const { commonThreshold, confidence } = evaluation;
  return (
    <Stack>
      <FiguresSection
        live={live}
        precisionHint={said.precisionOfBoxes}
        averagePrecisionName={said.map(live.shown?.found.overlap ?? evaluation.overlap)}
        reported={reported}
        recommended={commonThreshold}
        marked={[]}
      >
        <FigureTile name={said.mapMean} hint={said.mapMeanHint} figure={figureOf(overall.map, confidence)} />
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
        <OverlapSection byOverlap={heldOut.byOverlap} />
        <CalibrationSection
          calibration={heldOut.calibration}
          note={said.calibrationOfBoxes(evaluation.overlap)}
        />
        {evaluation.learning && <BoxLearningSection learning={evaluation.learning} />}
      </div>
    </Stack>
  );
}
