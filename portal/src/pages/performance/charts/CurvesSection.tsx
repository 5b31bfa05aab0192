import { texts } from "@/texts";

import { type Reported, isAt } from "../figures/live";
import type { Live } from "../figures/useLive";
import { Section } from "../Section";
import { PrecisionRecall } from "./lazy";

interface Props {
  live: Live;
  reported: Reported;
  curves: readonly { tag: string; precision: readonly number[]; recall: readonly number[] }[];
}

const MOST = 8;

/** Precision against recall of each tag, and where the threshold is on the curves. */
export function CurvesSection({ live, reported, curves }: Props): React.JSX.Element | null {
  const said = texts.performance;
  const shown = live.shown;
  if (!shown) return null;
  const isSameOverlap = isAt({ ...shown.found, threshold: 0 }, { ...reported, threshold: 0 });
  const rows = new Map(shown.rows.map((row) => [row.tag, row]));
  const known = new Map(reported.tags.map(({ tag, averagePrecision }) => [tag, averagePrecision.get(reported.overlap)]));
  const drawn = curves.map(({ tag, precision, recall }) => {
    const row = rows.get(tag);
    const averagePrecision = known.get(tag)?.value ?? null;
    return { tag, tagId: row?.tagId ?? tag, precision, recall, averagePrecision, at: (isSameOverlap && row) || null };
  });
  const note = curves.length > MOST ? `${said.curvesNote} ${said.curvesOfWeakest(MOST)}` : said.curvesNote;
  return (
    <Section title={said.curves} note={note}>
      <PrecisionRecall curves={drawn} />
    </Section>
  );
}
