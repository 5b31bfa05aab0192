/** What the charts share: axes from 0 to 1 and their colours. */
import { texts } from "@/texts";

export const HEIGHT = 280;
export const MARGIN = { top: 8, right: 16, bottom: 24, left: 8 };
export const INK = "var(--mantine-color-text)";
export const SOFT = "var(--mantine-color-dimmed)";
export const MAIN = "var(--mantine-primary-color-filled)";
export const GRID = "var(--mantine-color-default-border)";
const TICKS = [0, 0.2, 0.4, 0.6, 0.8, 1];

export function shareAxis(label: string, from = 0) {
  return {
    type: "number" as const,
    domain: [from, 1] as [number, number],
    ticks: from === 0 ? TICKS : ticksFrom(from),
    tickFormatter: (value: number) => texts.common.percent(value),
    stroke: SOFT,
    tick: { fill: INK, fontSize: 12 },
    label: { value: label, fill: INK, fontSize: 12 },
  };
}

export function below<T extends { label: object }>(axis: T) {
  return { ...axis, label: { ...axis.label, position: "bottom" as const, offset: 6 } };
}

export function beside<T extends { label: object }>(axis: T) {
  const label = { ...axis.label, angle: -90, position: "insideLeft" as const, style: { textAnchor: "middle" as const } };
  return { ...axis, width: 62, label };
}

function ticksFrom(from: number): number[] {
  const step = 1 - from > 0.5 ? 0.2 : 0.1;
  const count = Math.round((1 - from) / step);
  return Array.from({ length: count + 1 }, (_, place) => 1 - place * step).reverse();
}
