/** The uploads of a project: they go on while other pages of the portal are looked at. */
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useReducer } from "react";

import type { Schemas } from "@/api/client";
import { keys } from "@/api/keys";
import { untilReachable } from "@/api/reachable";
import { untilSignedIn } from "@/api/session";

import { remember } from "./interrupted";
import { UploadQueue } from "./queue";
import { send } from "./send";
import { shrunk } from "./shrink";

const MB = 1024 * 1024;
const BODY = 8 * MB; // of one call: small enough to see progress
const COUNTS_MS = 2_000;
const DRAWN_MS = 150;
const queues = new Map<string, UploadQueue>();

export function useUploads(project: string, limits: Schemas["Info"]["limits"]): UploadQueue {
  const client = useQueryClient();
  const queue = useMemo(() => queueOf(project, client, limits), [project, client, limits]);
  const [, draw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => calmly(queue.subscribe)(draw), [queue]);
  return queue;
}

function queueOf(project: string, client: QueryClient, limits: Schemas["Info"]["limits"]): UploadQueue {
  const known = queues.get(project);
  if (known) return known;
  const photo = (limits["maxImageMb"] ?? 6) * MB;
  const edge = limits["maxEdge"] ?? 10_240;
  const queue = new UploadQueue(
    {
      send: (tagIds, files, signal, onProgress) => send({ project, tagIds, files, signal, onProgress }),
      shrink: (content) => shrunk(content, { bytes: photo, edge }),
      untilReachable,
      untilSignedIn,
      added: () => readAgain(),
    },
    {
      images: limits["batchImages"] ?? 64,
      body: Math.min(BODY, (limits["maxBodyMb"] ?? 64) * MB * 0.9),
      photo,
    },
  );
  let timer: ReturnType<typeof setTimeout> | undefined;
  const readAgain = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      for (const queryKey of [keys.images(project), keys.tags(project), keys.summary(project)]) {
        void client.invalidateQueries({ queryKey });
      }
    }, COUNTS_MS);
  };
  window.addEventListener("beforeunload", (event) => {
    if (queue.phase !== "idle") event.preventDefault();
  });
  calmly(queue.subscribe)(() => remember(project, queue));
  queues.set(project, queue);
  return queue;
}

/** Hear of changes a few times a second at most. */
function calmly(subscribe: (listener: () => void) => () => void): (listener: () => void) => () => void {
  return (listener) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = subscribe(() => {
      timer ??= setTimeout(() => {
        timer = undefined;
        listener();
      }, DRAWN_MS);
    });
    return () => {
      clearTimeout(timer);
      end();
    };
  };
}
