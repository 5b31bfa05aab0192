import { type PerformanceAt, type Setting, usePerformance } from "../useEvaluation";
import { type Chosen, useSetting } from "../threshold/useSetting";
import { type Figures, type Reported, type TagRow, figuresAt, tagRows } from "./live";

/** The figures at what the sliders say. */
export interface Live {
  chosen: Chosen;
  /** Undefined until the first ones are there. */
  shown: { figures: Figures; rows: TagRow[]; found: PerformanceAt } | undefined;
  error: Error | null;
  retry: () => void;
}

export function useLive(project: string, iteration: string, first: Setting, reported: Reported | null): Live {
  const chosen = useSetting(first);
  const { threshold, overlap } = chosen.asked;
  const { data, error, refetch } = usePerformance(project, iteration, threshold, overlap);
  const shown = data && { figures: figuresAt(data, reported), rows: tagRows(data, reported), found: data };
  return { chosen, shown, error, retry: () => void refetch() };
}
