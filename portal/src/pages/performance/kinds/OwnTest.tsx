import { texts } from "@/texts";

import { ConfusionTable, type Confusions } from "../confusion/ConfusionSection";
import styles from "../figures/Figures.module.css";
import { FigureTile } from "../figures/FigureTile";
import { figureOf } from "../figures/figure";
import type { Reported } from "../figures/live";
import { staticRows } from "../figures/staticRows";
import { Section } from "../Section";
import { TagTable } from "../tags/TagTable";
import type { Estimate } from "../useEvaluation";

interface Props {
  project: string;
  iteration: string;
  reported: Reported;
  /** The main figure of the kind. */
  main: { name: string; hint: string; estimate: Estimate };
  confusions: Confusions;
  /** The photos that went wrong. */
  children: React.ReactNode;
}

/** The user's own test photos, apart from the others. */
export function OwnTest({ project, iteration, reported, main, confusions, children }: Props): React.JSX.Element {
  const said = texts.performance;
  const { confidence, precision, recall } = reported;
  return (
    <Section title={said.ownTest} note={`${said.ownTestNote} ${said.atReported(reported.threshold)}`}>
      <div className={styles["tiles"]}>
        <FigureTile name={main.name} hint={main.hint} figure={figureOf(main.estimate, confidence)} />
        <FigureTile name={said.precision} hint={said.precisionHint} figure={figureOf(precision, confidence)} />
        <FigureTile name={said.recall} hint={said.recallHint} figure={figureOf(recall, confidence)} />
      </div>
      <TagTable label={said.ownTest} rows={staticRows(reported)} />
      <ConfusionTable project={project} iteration={iteration} confusions={confusions} />
      {children}
    </Section>
  );
}
