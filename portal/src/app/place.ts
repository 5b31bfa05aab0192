/** Where one is: each page has its title in its route's `handle`. */
import { type UIMatch, useMatches } from "react-router";

import { useKey } from "@/api/session";
import { useProject } from "@/api/shared";
import { texts } from "@/texts";

export interface Place {
  /** Names the page, whichever iteration or photo it shows. */
  page: string;
  title: string;
  projectId: string | null;
}

export interface Titled {
  title: string;
}

export function usePlace(): Place {
  return placeOf(useMatches());
}

export function placeOf(matches: Pick<UIMatch, "id" | "params" | "handle">[]): Place {
  const last = matches.at(-1);
  const titled = matches.map((match) => match.handle as Titled | undefined).findLast((handle) => handle !== undefined);
  const projectId = last?.params["projectId"] ?? null;
  return { page: `${last?.id ?? ""} ${projectId ?? ""}`, title: titled?.title ?? "", projectId };
}

/** The name of a project; undefined until it is known. */
export function useProjectName(projectId: string | null): string | undefined {
  const key = useKey();
  return useProject(projectId ?? "", projectId !== null && key !== null).data?.name;
}

/** `Images · Garden · Dahlia` */
export function documentTitle(title: string, project: string | undefined): string {
  return [title, project, texts.common.product].filter(Boolean).join(" · ");
}
