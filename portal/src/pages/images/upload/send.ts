/** One call that uploads photos: by XMLHttpRequest, which tells how much is sent. */
import { TRAINING, type Schemas } from "@/api/client";
import { ApiError, errorOf } from "@/api/errors";
import { currentKey, signOut } from "@/api/session";
import { texts } from "@/texts";

export interface Answer {
  results: readonly Schemas["ImageCreateResult"][];
  /** Why photos were refused, by their places; the server gives those of the first five. */
  reasons: ReadonlyMap<number, string>;
}

export interface Parcel {
  project: string;
  tagIds: readonly string[];
  files: readonly { name: string; content: Blob }[];
  signal: AbortSignal;
  onProgress: (bytes: number) => void;
}

export function send({ project, tagIds, files, signal, onProgress }: Parcel): Promise<Answer> {
  const form = new FormData();
  for (const { name, content } of files) form.append("imageData", content, name);
  const query = new URLSearchParams(tagIds.map((tagId) => ["tagIds", tagId]));
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${TRAINING}/projects/${project}/images?${query.toString()}`);
    const key = currentKey();
    if (key) request.setRequestHeader("Training-Key", key);
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onerror = () => reject(new ApiError(texts.errors.unreachable, 0, "Unreachable"));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    request.onload = () => {
      if (request.status < 300) return resolve(answerOf(request));
      if (request.status === 401 && key === currentKey()) signOut();
      const { status, statusText, responseText } = request;
      void errorOf(new Response(responseText, { status, statusText })).then(reject);
    };
    signal.addEventListener("abort", () => request.abort());
    if (signal.aborted) request.onabort(new ProgressEvent("abort"));
    else request.send(form);
  });
}

function answerOf(request: XMLHttpRequest): Answer {
  const summary = JSON.parse(request.responseText) as Schemas["ImageCreateSummary"];
  return { results: summary.images, reasons: reasonsIn(request.getResponseHeader("dahlia-reasons") ?? "") };
}

/** The reasons in the header: `image 1: Expected ... image 4: Expected ...`. */
export function reasonsIn(header: string): Map<number, string> {
  const parts = header.split(/(?:^|\s)image (\d+): /).slice(1);
  const reasons = new Map<number, string>();
  for (let place = 0; place + 1 < parts.length; place += 2) {
    reasons.set(Number(parts[place]) - 1, (parts[place + 1] ?? "").trim());
  }
  return reasons;
}
