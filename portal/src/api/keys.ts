/** Keys of TanStack Query: a change invalidates what begins with one of them. */
export const keys = {
  me: ["me"] as const,
  info: ["info"] as const,
  domains: ["domains"] as const,
  projects: ["projects"] as const,
  jobs: ["jobs"] as const,
  apiKeys: ["api-keys"] as const,
  audit: ["audit"] as const,
  project: (project: string) => ["project", project] as const,
  summary: (project: string) => ["project", project, "summary"] as const,
  tags: (project: string) => ["project", project, "tags"] as const,
  images: (project: string) => ["project", project, "images"] as const,
  iterations: (project: string) => ["project", project, "iterations"] as const,
  iteration: (project: string, iteration: string) => ["project", project, "iterations", iteration] as const,
  predictions: (project: string) => ["project", project, "predictions"] as const,
  suggestions: (project: string) => ["project", project, "suggestions"] as const,
};
