/** Which photos are shown, and how the page's address says it. */

export type Show = "all" | "tagged" | "untagged";

export interface Filter {
  show: Show;
  /** Photos with any of these tags. */
  tagIds: readonly string[];
  /** As of an iteration; null for the photos of now. */
  iteration: string | null;
  oldest: boolean;
}

export const EVERYTHING: Filter = { show: "all", tagIds: [], iteration: null, oldest: false };
const SHOWS: readonly Show[] = ["all", "tagged", "untagged"];

export function filterOf(address: URLSearchParams): Filter {
  const tagIds = (address.get("tags") ?? "").split(",").filter(Boolean);
  const said = SHOWS.find((show) => show === address.get("show")) ?? "all";
  return {
    show: tagIds.length > 0 ? "tagged" : said,
    tagIds,
    iteration: address.get("iteration") || null,
    oldest: address.get("order") === "oldest",
  };
}

export function addressOf({ show, tagIds, iteration, oldest }: Filter): URLSearchParams {
  const address = new URLSearchParams();
  if (tagIds.length > 0) address.set("tags", tagIds.join(","));
  else if (show !== "all") address.set("show", show);
  if (iteration) address.set("iteration", iteration);
  if (oldest) address.set("order", "oldest");
  return address;
}

/** Whether a photo with these tags is among those shown. */
export function matches({ show, tagIds }: Filter, tags: ReadonlySet<string>): boolean {
  if (tagIds.length > 0) return tagIds.some((tagId) => tags.has(tagId));
  return show === "all" || (show === "tagged") === tags.size > 0;
}

/** The filter in a query of images. */
export function queryOf({ show, tagIds, iteration, oldest }: Filter) {
  return {
    taggingStatus: ({ all: "All", tagged: "Tagged", untagged: "Untagged" } as const)[show],
    tagIds: tagIds.length > 0 ? [...tagIds] : undefined,
    iterationId: iteration ?? undefined,
    orderBy: oldest ? ("Oldest" as const) : ("Newest" as const),
  };
}
