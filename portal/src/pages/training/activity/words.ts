import type { Schemas } from "@/api/client";
import { texts } from "@/texts";

/** What a job does, such as `Export: Iteration 2 to ONNX (OnnxFloat16)`. */
export function subjectOf(job: Schemas["Job"]): string {
  const { kind, iterationName, platform, flavor } = job;
  const of = platform ? texts.activity.form(iterationName, platform, flavor) : iterationName;
  return texts.activity.subject(texts.activity.what[kind], of);
}

/** Seconds that a job took; null if it never began, or has not ended. */
export function secondsOf(job: Pick<Schemas["Job"], "started" | "ended">): number | null {
  if (!job.started || !job.ended) return null;
  return Math.max(0, (Date.parse(job.ended) - Date.parse(job.started)) / 1000);
}
