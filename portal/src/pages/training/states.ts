import type { Schemas } from "@/api/client";

/** What the API says of a training that was called off. */
const CANCELLED = "Cancelled";

export function wasCancelled(iteration: Schemas["Iteration"]): boolean {
  return iteration.status === "Failed" && iteration.trainingErrorDetails?.startsWith(CANCELLED) === true;
}
