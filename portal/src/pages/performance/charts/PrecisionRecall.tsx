import { CartesianGrid, Line, LineChart, ReferenceDot, ResponsiveContainer, XAxis, YAxis } from "recharts";

import { tagColour } from "@/components/tagColour";
import { texts } from "@/texts";

import type { Figure } from "../figures/figure";
import { GRID, HEIGHT, MARGIN, below, beside, shareAxis } from "./axes";
import styles from "./Charts.module.css";
import { ChartFigure } from "./ChartFigure";
import { curvePoints } from "./thin";

export interface TagCurve {
  tag: string;
  tagId: string;
  precision: readonly number[];
  recall: readonly number[];
  averagePrecision: number | null;
  /** Where the tag is at the threshold; null where the curve is of another setting. */
  at: { precision: Figure; recall: Figure } | null;
}

const MOST = 8;
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];

/** The precision/recall curves of the tags with the lowest average precision. */
export default function PrecisionRecall({ curves }: { curves: readonly TagCurve[] }): React.JSX.Element {
  const said = texts.performance;
  const drawn = curves
    .filter(({ recall }) => recall.length > 0)
    .sort((one, other) => (one.averagePrecision ?? 1) - (other.averagePrecision ?? 1))
    .slice(0, MOST);
  const rows = drawn.map(({ tag, averagePrecision, at }) => [
    tag,
    averagePrecision === null ? said.noFigure : texts.common.percent(averagePrecision, 1),
    ...[at?.precision.value, at?.recall.value].map((value) => (value == null ? "" : texts.common.percent(value, 1))),
  ]);
  const head = [said.tag, said.averagePrecision, ...[said.precision, said.recall].map((name) => said.at(name))];
  return (
    <ChartFigure
      label={drawn.map(({ tag, averagePrecision }) => said.curveSaid(tag, averagePrecision)).join("; ")}
      head={head}
      rows={rows}
    >
      <ResponsiveContainer width="100%" height={HEIGHT}>
        <LineChart margin={MARGIN} accessibilityLayer={false}>
          <CartesianGrid stroke={GRID} />
          <XAxis dataKey="x" {...below(shareAxis(said.recall))} />
          <YAxis dataKey="y" {...beside(shareAxis(said.precision))} />
          {drawn.map(({ tag, tagId, recall, precision }, place) => (
            <Line
              key={tag}
              data={curvePoints(recall, precision)}
              dataKey="y"
              type="linear"
              stroke={tagColour(tagId)}
              strokeWidth={2}
              strokeDasharray={DASHES[place % DASHES.length] ?? ""}
              dot={false}
              isAnimationActive={false}
            />
          ))}
          {drawn.map(({ tag, tagId, at }) =>
            at && at.precision.value !== null && at.recall.value !== null ? (
              <ReferenceDot
                key={tag}
                x={at.recall.value}
                y={at.precision.value}
                r={5}
                fill={tagColour(tagId)}
                stroke="var(--mantine-color-body)"
                strokeWidth={1.5}
              />
            ) : null,
          )}
        </LineChart>
      </ResponsiveContainer>
      <ul className={styles["legend"]}>
        {drawn.map(({ tag, tagId, averagePrecision }, place) => (
          <li key={tag}>
            <svg width={26} height={10} aria-hidden>
              <line
                x1={0}
                x2={26}
                y1={5}
                y2={5}
                stroke={tagColour(tagId)}
                strokeWidth={2.5}
                strokeDasharray={DASHES[place % DASHES.length]}
              />
            </svg>
            <span>{tag}</span>
            {averagePrecision !== null && <span>{texts.common.percent(averagePrecision)}</span>}
          </li>
        ))}
        {drawn.some(({ at }) => at) && <li>● {said.atThreshold}</li>}
      </ul>
    </ChartFigure>
  );
}
