import { CartesianGrid, ErrorBar, Line, LineChart, ReferenceLine, ResponsiveContainer, XAxis, YAxis } from "recharts";

import type { Schemas } from "@/api/client";
import { texts } from "@/texts";

import { GRID, HEIGHT, INK, MAIN, MARGIN, SOFT, below, beside, shareAxis } from "./axes";
import styles from "./Charts.module.css";
import { ChartFigure } from "./ChartFigure";

type Bin = Schemas["ReliabilityBin"];

/** How often predictions were right that stated a probability, before and after calibration. */
export default function Reliability({ calibration }: { calibration: Schemas["Calibration"] }): React.JSX.Element {
  const said = texts.performance;
  const after = pointsOf(calibration.after.bins);
  const rows = after.map(({ x, y, error, images }) => [
    texts.common.percent(x, 1),
    texts.common.percent(y, 1),
    said.between(y - error[0], y + error[1]),
    texts.common.number(images),
  ]);
  return (
    <ChartFigure
      label={after.map(({ x, y }) => said.binSaid(x, y)).join("; ")}
      head={[said.stated, said.wasRight, said.intervalTitle, said.photoCount]}
      rows={rows}
    >
      <ResponsiveContainer width="100%" height={HEIGHT}>
        <LineChart margin={MARGIN} accessibilityLayer={false}>
          <CartesianGrid stroke={GRID} />
          <XAxis dataKey="x" {...below(shareAxis(said.stated))} />
          <YAxis dataKey="y" {...beside(shareAxis(said.wasRight))} />
          <ReferenceLine segment={[{ x: 0, y: 0 }, { x: 1, y: 1 }]} stroke={SOFT} strokeDasharray="2 4" />
          <Line
            data={pointsOf(calibration.before.bins)}
            dataKey="y"
            stroke={SOFT}
            strokeDasharray="7 3"
            strokeWidth={1.5}
            dot={false}
            isAnimationActive={false}
          />
          <Line
            data={after}
            dataKey="y"
            stroke={MAIN}
            strokeWidth={2}
            dot={{ r: 4, fill: MAIN, stroke: MAIN }}
            isAnimationActive={false}
          >
            <ErrorBar dataKey="error" direction="y" stroke={INK} width={6} strokeWidth={1.5} isAnimationActive={false} />
          </Line>
        </LineChart>
      </ResponsiveContainer>
      <ul className={styles["legend"]}>
        <Key colour={MAIN} dash="" text={said.after} />
        <Key colour={SOFT} dash="7 3" text={said.before} />
        <Key colour={SOFT} dash="2 4" text={said.ideal} />
      </ul>
    </ChartFigure>
  );
}

function Key({ colour, dash, text }: { colour: string; dash: string; text: string }): React.JSX.Element {
  return (
    <li>
      <svg width={26} height={10} aria-hidden>
        <line x1={0} x2={26} y1={5} y2={5} stroke={colour} strokeWidth={2} strokeDasharray={dash} />
      </svg>
      {text}
    </li>
  );
}

function pointsOf(bins: readonly Bin[]) {
  return bins.flatMap(({ confidence, accuracy: { value, low, high, images } }) =>
    value === null ? [] : [{ x: confidence, y: value, error: [value - (low ?? value), (high ?? value) - value] as const, images }],
  );
}
