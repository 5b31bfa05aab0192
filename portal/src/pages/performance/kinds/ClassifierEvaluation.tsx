import { Stack, Text } from "@mantine/core";

import { texts } from "@/texts";

import { CalibrationSection } from "../charts/CalibrationSection";
import { CurvesSection } from "../charts/CurvesSection";
import { LearningSection } from "../charts/LearningSection";
import { ConfusionSection } from "../confusion/ConfusionSection";
import { FiguresSection } from "../figures/FiguresSection";
import { FigureTile } from "../figures/FigureTile";
import { figureOf } from "../figures/figure";
import { useLive } from "../figures/useLive";
import { WrongTags } from "../fixing/WrongTags";
import styles from "../Performance.module.css";
import { Mistakes } from "../photos/Mistakes";
import { Section } from "../Section";
import { TagTable } from "../tags/TagTable";
import { type Classified, tagsOf } from "../useEvaluation";
import { FindingsSection } from "../validation/FindingsSection";
import { confusionsOf, reportedOf } from "./classifier";
import { OwnTest } from "./OwnTest";

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
  const { heldOut, test, newScenes } = evaluation;
  const isMultilabel = evaluation.classification === "multilabel";
  const tags = live.shown && tagsOf(live.shown.found);
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
        {newScenes && newScenes.shared > 0 && (
          <FigureTile
            name={said.scenes}
            hint={said.scenesHint(newScenes.scenes)}
            figure={figureOf(newScenes.accuracy, evaluation.confidence)}
          />
        )}
      </FiguresSection>
      {live.shown && (
        <Section title={said.tags} note={said.tagsNote}>
          <TagTable label={said.tags} rows={live.shown.rows} onApply={live.chosen.setThreshold} />
        </Section>
      )}
      <div className={styles["pair"]}>
        {tags && <ConfusionSection {...shared} confusions={confusionsOf(evaluation, heldOut, tags)} />}
        <CurvesSection live={live} reported={reported} curves={heldOut.curves} />
        <CalibrationSection calibration={heldOut.calibration} />
        {evaluation.learning && <LearningSection learning={evaluation.learning} />}
      </div>
      {tags && (
        <>
          <WrongTags {...shared} issues={evaluation.labelIssues} tags={tags} isMultilabel={isMultilabel} />
          <Section title={said.mistakes} note={said.mistakesNote}>
            <Mistakes project={project} mistakes={heldOut.mistakes} tags={tags} isMultilabel={isMultilabel} />
          </Section>
          {test && (
            <OwnTest
              {...shared}
              reported={reportedOf(evaluation, test)}
              main={{
                name: said.accuracy,
                hint: said.accuracyHint(test.overall.correct, test.overall.images),
                estimate: test.overall.accuracy,
              }}
              confusions={confusionsOf(evaluation, test, null)}
            >
              <Mistakes project={project} mistakes={test.mistakes} tags={tags} isMultilabel={isMultilabel} />
            </OwnTest>
          )}
        </>
      )}
      {evaluation.takenForNone && (
        <Section title={said.takenForNone}>
          <Text size="sm">{said.takenForNoneText(evaluation.takenForNone.length)}</Text>
        </Section>
      )}
      <FindingsSection {...shared} />
    </Stack>
  );
}
