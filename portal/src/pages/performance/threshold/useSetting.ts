import { useThrottledValue } from "@mantine/hooks";
import { useState } from "react";

import type { Setting } from "../useEvaluation";

const QUIET_MS = 40;

export interface Chosen {
  /** Where the sliders are. */
  setting: Setting;
  /** What is asked for: as quick as the server answers while a slider moves. */
  asked: Setting;
  setThreshold: (threshold: number) => void;
  setOverlap: (overlap: number) => void;
}

/** The thresholds that the user looks at, at first those of the report. */
export function useSetting(first: Setting): Chosen {
  const [threshold, setThreshold] = useState(first.threshold);
  const [overlap, setOverlap] = useState(first.overlap);
  const asked = { threshold: useThrottledValue(threshold, QUIET_MS), overlap: useThrottledValue(overlap, QUIET_MS) };
  return { setting: { threshold, overlap }, asked, setThreshold, setOverlap };
}
