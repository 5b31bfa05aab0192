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
import { WrongBoxes } from "../fixing/WrongBoxes";
import styles from "../Performance.module.css";
import { BoxMistakes } from "../photos/BoxMistakes";
import { Section } from "../Section";
import { TagTable } from "../tags/TagTable";
import { type Detected, tagsOf } from "../useEvaluation";
import { FindingsSection } from "../validation/FindingsSection";
import { confusionsOf, reportedOf } from "./detector";
import { Faults } from "./Faults";
import { OwnTest } from "./OwnTest";

interface Props {
  project: string;
  iteration: string;
  evaluation: Detected;
}

/** Of the figure that detectors are usually compared by. */
const MAIN_OVERLAP = 0.5;

/** All that is known of a model that finds objects with boxes. */
export function DetectorEvaluation({ project, iteration, evaluation }: Props): React.JSX.Element {
  const said = texts.performance;
  const reported = reportedOf(evaluation);
  const live = useLive(project, iteration, reported, reported);
  const shared = { project, iteration };
  const { heldOut, test } = evaluation;
  const tags = live.shown && tagsOf(live.shown.found);
  const { overall } = heldOut;
  const overlap = live.shown?.found.overlap ?? evaluation.overlap;
  const { commonThreshold, confidence } = evaluation;
  return (
    <Stack>
      <FiguresSection
        live={live}
        precisionHint={said.precisionOfBoxes}
        averagePrecisionName={said.map(overlap)}
        reported={reported}
        recommended={commonThreshold}
        marked={[]}
      >
        {overlap !== MAIN_OVERLAP && (
          <FigureTile
            name={said.map(MAIN_OVERLAP)}
            hint={said.mapHint}
            figure={figureOf(overall.map50, confidence)}
          />
        )}
        <FigureTile name={said.mapMean} hint={said.mapMeanHint} figure={figureOf(overall.map, confidence)} />
      </FiguresSection>
      {live.shown && (
        <Section title={said.tags} note={said.tagsNote}>
          <TagTable label={said.tags} rows={live.shown.rows} onApply={live.chosen.setThreshold} />
        </Section>
      )}
      <div className={styles["pair"]}>
        {tags && <ConfusionSection {...shared} confusions={confusionsOf(evaluation, heldOut, tags)} />}
        <Faults overall={overall} />
        <CurvesSection live={live} reported={reported} curves={heldOut.curves} />
        <OverlapSection byOverlap={heldOut.byOverlap} />
        <CalibrationSection
          calibration={heldOut.calibration}
          note={said.calibrationOfBoxes(evaluation.overlap)}
        />
        {evaluation.learning && <BoxLearningSection learning={evaluation.learning} />}
      </div>
      {tags && (
        <>
          <WrongBoxes {...shared} issues={evaluation.labelIssues} tags={tags} />
          <Section title={said.mistakes} note={said.boxMistakesNote}>
            <BoxMistakes project={project} mistakes={heldOut.mistakes} tags={tags} />
          </Section>
          {test && (
            <OwnTest
              {...shared}
              reported={reportedOf(evaluation, test)}
              main={{ name: said.map(MAIN_OVERLAP), hint: said.mapHint, estimate: test.overall.map50 }}
              confusions={confusionsOf(evaluation, test, null)}
            >
              <BoxMistakes project={project} mistakes={test.mistakes} tags={tags} />
            </OwnTest>
          )}
        </>
      )}
      <FindingsSection {...shared} />
    </Stack>
  );
}
