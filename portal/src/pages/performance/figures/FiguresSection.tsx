import { Loader } from "@mantine/core";

import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import { Section } from "../Section";
import { type Recommended, ThresholdPanel } from "../threshold/ThresholdPanel";
import type { Setting } from "../useEvaluation";
import styles from "./Figures.module.css";
import { FigureTile } from "./FigureTile";
import { noteOf } from "./note";
import type { Live } from "./useLive";

interface Props {
  live: Live;
  precisionHint: string;
  averagePrecisionName: string;
  /** The setting and the confidence of the report; null where there is none. */
  reported: (Setting & { confidence: number }) | null;
  recommended: Recommended | null;
  marked: readonly number[];
  /** More tiles. */
  children?: React.ReactNode;
}

/** The main figures, and the sliders that they follow. */
export function FiguresSection(props: Props): React.JSX.Element {
  const { live, reported } = props;
  const said = texts.performance;
  const shown = live.shown;
  return (
    <Section title={said.figures} note={reported ? noteOf(shown?.figures, reported) : undefined}>
      {live.error && <ErrorNote error={live.error} retry={live.retry} />}
      {!shown && !live.error && <Loader role="status" aria-label={texts.common.loading} />}
      {shown && (
        <>
          <div className={styles["tiles"]}>
            <FigureTile name={said.precision} hint={props.precisionHint} figure={shown.figures.precision} />
            <FigureTile name={said.recall} hint={said.recallHint} figure={shown.figures.recall} />
            <FigureTile
              name={props.averagePrecisionName}
              hint={said.averagePrecisionHint}
              figure={shown.figures.averagePrecision}
            />
            {props.children}
          </div>
          <ThresholdPanel
            chosen={live.chosen}
            reported={reported}
            recommended={props.recommended}
            marked={props.marked}
          />
        </>
      )}
    </Section>
  );
}
