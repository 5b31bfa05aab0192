/** Asking an iteration about untagged photos that it was not asked about yet. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";

import { PROJECT, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";

interface Progress {
  done: number;
  of: number;
}

interface Asked {
  iterationId: string;
  count: number;
  /** Photos that have suggestions. */
  known: ReadonlySet<string>;
}

const WHOLE_PAGE = 256;
/** Photos in a call: few, so that the progress is seen and can be stopped. */
const BATCH = 16;

export function useAsking(project: string) {
  const client = useQueryClient();
  const [progress, setProgress] = useState<Progress | null>(null);
  const stop = useRef<AbortController | null>(null);
  const path = { project_id: project };

  const untagged = async ({ count, known }: Asked): Promise<string[]> => {
    const found: string[] = [];
    for (let skip = 0; found.length < count; skip += WHOLE_PAGE) {
      const asked = { taggingStatus: "Untagged" as const, take: WHOLE_PAGE, skip };
      const page = await dataOf(api.GET(`${PROJECT}/images`, { params: { path, query: asked } }));
      found.push(...page.map(({ id }) => id).filter((id) => !known.has(id)));
      if (page.length < WHOLE_PAGE) break;
    }
    return found.slice(0, count);
  };
  const ask = useMutation({
    mutationFn: async (asked: Asked): Promise<number> => {
      const control = new AbortController();
      stop.current = control;
      const ids = await untagged(asked);
      for (let start = 0; start < ids.length && !control.signal.aborted; start += BATCH) {
        setProgress({ done: start, of: ids.length });
        const imageIds = ids.slice(start, start + BATCH);
        await api.POST(`${PROJECT}/tagsandregions/suggestions`, {
          params: { path, query: { iterationId: asked.iterationId, imageIds } },
        });
      }
      return ids.length;
    },
    onSettled: async () => {
      setProgress(null);
      await client.invalidateQueries({ queryKey: keys.suggestions(project) });
    },
  });
  return { ask, progress, stop: () => stop.current?.abort() };
}
