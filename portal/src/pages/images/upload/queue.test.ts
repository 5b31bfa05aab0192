// @vitest-environment jsdom
import { expect, test, vi } from "vitest";

import { ApiError } from "@/api/errors";
import type { Schemas } from "@/api/client";

import type { Entry } from "./entries";
import { type Calls, UploadQueue } from "./queue";
import { Rate } from "./rate";
import { reasonsIn } from "./send";

type Status = Schemas["ImageCreateStatus"];
const bounds = { images: 64, body: 1000, photo: 100 };
const photo = (name: string, size = 10): Entry => ({
  name,
  folders: [],
  size,
  read: async () => new Blob([new Uint8Array(size)]),
});
const of = (entries: Entry[], tagIds: string[] = []) => entries.map((entry) => ({ entry, tagIds }));
const answer = (...statuses: Status[]) => ({
  results: statuses.map((status) => ({ status, sourceUrl: null, image: null })),
  reasons: new Map([[0, "because"]]),
});

function queue(given: Partial<Calls> = {}) {
  const send = vi.fn<Calls["send"]>(async (_tags, files) => answer(...files.map(() => "OK" as const)));
  const calls = {
    send,
    shrink: vi.fn(async () => new Blob(["small"])),
    untilReachable: vi.fn(async () => {}),
    untilSignedIn: vi.fn(async () => {}),
    added: vi.fn(),
    ...given,
  };
  return { made: new UploadQueue(calls, bounds), calls };
}

async function ended(made: UploadQueue): Promise<void> {
  await vi.waitFor(() => expect(made.phase).toBe("idle"));
}

test("photos go in calls that keep to the bounds, each with the same tags", async () => {
  const { made, calls } = queue();
  made.add([...of(Array.from({ length: 130 }, (_, place) => photo(String(place)))), ...of([photo("t")], ["tag"])]);
  await ended(made);
  const sizes = vi.mocked(calls.send).mock.calls.map(([tags, files]) => [tags.join(), files.length]);
  const wanted = [["", 64], ["", 64], ["", 2], ["tag", 1]];
  expect(sizes).toHaveLength(wanted.length);
  expect(sizes).toEqual(expect.arrayContaining(wanted));
  expect(made.counted("added")).toBe(131);
  expect(made.bytesDone).toBe(made.bytes);
});

test("each photo has its answer, with the reason", async () => {
  const send: Calls["send"] = async () => answer("ErrorImageFormat", "OKDuplicate", "OK");
  const { made } = queue({ send });
  made.add(of([photo("a"), photo("b"), photo("c")]));
  await ended(made);
  expect(made.items.map((item) => [item.state, item.reason])).toEqual([
    ["refused", "because"],
    ["duplicate", null],
    ["added", null],
  ]);
});

test("a lost server is waited for, and what it has already counts as added", async () => {
  const send = vi.fn<Calls["send"]>(async () => {
    if (send.mock.calls.length === 1) throw new ApiError("gone", 0, "Unreachable");
    return answer("OKDuplicate");
  });
  const { made, calls } = queue({ send });
  made.add(of([photo("a")]));
  await ended(made);
  expect(calls.untilReachable).toHaveBeenCalledOnce();
  expect(made.counted("added")).toBe(1);
});

test("a refused key is waited for", async () => {
  const send = vi.fn<Calls["send"]>(async () => {
    if (send.mock.calls.length === 1) throw new ApiError("revoked", 401, "401");
    return answer("OKDuplicate");
  });
  const { made, calls } = queue({ send });
  made.add(of([photo("a")]), [{ name: "notes.txt", reason: "no photo" }]);
  await ended(made);
  expect(calls.untilSignedIn).toHaveBeenCalledOnce();
  expect(calls.untilReachable).not.toHaveBeenCalled();
  expect(made.counted("duplicate")).toBe(1); // the server had refused it before it looked at it
  expect(made.leftOut).toHaveLength(1);
  made.clear();
  expect(made.leftOut).toHaveLength(0);
});

test("photos that are too large are made smaller, before or after the server says so", async () => {
  const statuses: Status[] = ["ErrorImageDimensions", "OK", "OK"];
  const send = vi.fn<Calls["send"]>(async () => answer(statuses.shift() ?? "ErrorUnknown"));
  const { made, calls } = queue({ send });
  made.add(of([photo("wide")]));
  await ended(made);
  expect(calls.shrink).toHaveBeenCalledOnce();
  expect(made.items[0]).toMatchObject({ state: "added", wasShrunk: true });
  made.add(of([photo("large", 500)]));
  await ended(made);
  expect(calls.shrink).toHaveBeenCalledTimes(2);
});

test("what failed is tried again, what is cancelled is not sent", async () => {
  const send = vi.fn<Calls["send"]>(async () => {
    if (send.mock.calls.length === 1) throw new ApiError("no such project", 404, "NotFound");
    return answer("OK");
  });
  const { made } = queue({ send });
  made.add(of([photo("a")]));
  await ended(made);
  expect(made.items[0]).toMatchObject({ state: "failed", reason: "no such project" });
  made.retry();
  await ended(made);
  expect(made.counted("added")).toBe(1);
  made.pause();
  made.add(of([photo("b")]));
  made.cancel();
  expect(made.counted("cancelled")).toBe(1);
  expect(send).toHaveBeenCalledTimes(2);
});

test("the rate is that of the last seconds", () => {
  let now = 0;
  const rate = new Rate(() => now);
  rate.note(0);
  expect(rate.value).toBeNull();
  now = 2;
  rate.note(100);
  expect(rate.value).toBe(50);
});

test("the header gives reasons by place", () => {
  expect([...reasonsIn("image 1: Expected a picture, received text. image 12: Expected less.")]).toEqual([
    [0, "Expected a picture, received text."],
    [11, "Expected less."],
  ]);
  expect(reasonsIn("").size).toBe(0);
});
