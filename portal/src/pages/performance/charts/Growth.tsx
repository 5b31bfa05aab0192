import { Area, CartesianGrid, ComposedChart, Line, ResponsiveContainer, XAxis, YAxis } from "recharts";

import { texts } from "@/texts";

import { GRID, HEIGHT, INK, MAIN, MARGIN, SOFT, beside, shareAxis } from "./axes";
import styles from "./Charts.module.css";
import { ChartFigure } from "./ChartFigure";
import { floorOf } from "./thin";

export interface GrowthPoint {
  x: number;
  y: number;
  /** The ends of a range around it. */
  low?: number;
  high?: number;
}

interface Props {
  points: readonly GrowthPoint[];
  xName: string;
  yName: string;
  /** How values of the lower axis are written. */
  xText: (x: number) => string;
  /** What the range is. */
  rangeName?: string;
  /** Whether the lower axis begins at 0. */
  fromZero: boolean;
}

/** A share that changes with something: the photos learned from, or the overlap that is asked for. */
export default function Growth({ points, xName, yName, xText, rangeName, fromZero }: Props): React.JSX.Element {
  const hasRange = rangeName !== undefined;
  const floor = fromZero ? floorOf(points.map(({ y, low }) => low ?? y)) : 0;
  const data = points.map(({ x, y, low, high }) => ({ x, y, range: [low ?? y, high ?? y] }));
  const xs = points.map(({ x }) => x);
  return (
    <ChartFigure
      label={points.map(({ x, y }) => texts.performance.pointSaid(xName, xText(x), yName, y)).join("; ")}
      head={[xName, yName, ...(hasRange ? [rangeName] : [])]}
      rows={points.map(({ x, y, low, high }) => [
        xText(x),
        texts.common.percent(y, 1),
        ...(hasRange ? [texts.performance.between(low ?? y, high ?? y)] : []),
      ])}
    >
      <ResponsiveContainer width="100%" height={HEIGHT}>
        <ComposedChart data={data} margin={MARGIN} accessibilityLayer={false}>
          <CartesianGrid stroke={GRID} />
          <XAxis
            dataKey="x"
            type="number"
            domain={fromZero ? [0, "dataMax"] : [Math.min(...xs), Math.max(...xs)]}
            ticks={xs}
            tickFormatter={xText}
            stroke={SOFT}
            tick={{ fill: INK, fontSize: 12 }}
            label={{ value: xName, fill: INK, fontSize: 12, position: "bottom", offset: 6 }}
          />
          <YAxis {...beside(shareAxis(yName, floor))} allowDataOverflow />
          {hasRange && <Area dataKey="range" stroke="none" fill={MAIN} fillOpacity={0.18} isAnimationActive={false} />}
          <Line
            dataKey="y"
            stroke={MAIN}
            strokeWidth={2}
            dot={{ r: 4, fill: MAIN, stroke: MAIN }}
            isAnimationActive={false}
          />
        </ComposedChart>
      </ResponsiveContainer>
      {hasRange && (
        <ul className={styles["legend"]}>
          <li>
            <svg width={26} height={10} aria-hidden>
              <rect width={26} height={10} fill={MAIN} fillOpacity={0.25} />
            </svg>
            {rangeName}
          </li>
        </ul>
      )}
    </ChartFigure>
  );
}
