import { expect, test, vi } from "vitest";

import { ApiError } from "@/api/errors";

import type { Change } from "./changes";
import { type Pair, TagWriter, nextBatch } from "./writes";

const limits = { images: 64, tags: 20 };
const on = (imageId: string, tagId = "a"): Change => ({ imageId, tagId, add: true });
const off = (imageId: string, tagId = "a"): Change => ({ imageId, tagId, add: false });

function writer(calls: Partial<ConstructorParameters<typeof TagWriter>[0]> = {}) {
  const add = vi.fn(async (pairs: readonly Pair[]) => pairs.slice(0, 0));
  const remove = vi.fn(async () => {});
  const untilReachable = vi.fn(async () => {});
  const untilSignedIn = vi.fn(async () => {});
  const written = vi.fn<(changes: readonly Change[]) => void>();
  const refused = vi.fn<(changes: readonly Change[], error: Error | null) => void>();
  const made = new TagWriter({ add, remove, untilReachable, untilSignedIn, ...calls }, limits, { written, refused });
  return { made, add, remove, untilReachable, untilSignedIn, written, refused };
}

test("removals come before what is added, and calls keep to the limits", () => {
  const many = Array.from({ length: 70 }, (_, place) => on(String(place)));
  expect(nextBatch([...many, off("1", "b"), off("2", "c"), off("3", "b")], limits)).toEqual([
    off("1", "b"),
    off("3", "b"),
  ]);
  expect(nextBatch(many, limits)).toHaveLength(64);
  const tags = Array.from({ length: 21 }, (_, place) => on("1", String(place)));
  expect(nextBatch(tags, limits)).toHaveLength(20);
});

test("what is typed while a call is under way goes together in the next, the newest state counts", async () => {
  const { made, add, remove, written } = writer();
  made.push([on("1")]);
  await Promise.resolve();
  made.push([on("2")]);
  made.push([on("3")]);
  made.push([off("3")]);
  await made.idle();
  expect(add.mock.calls.map(([pairs]) => pairs.length)).toEqual([1, 1]);
  expect(remove).toHaveBeenCalledWith(["3"], "a");
  expect(written.mock.calls.flatMap(([changes]) => changes)).toHaveLength(3);
  expect(made.open).toBe(0);
});

test("a read finds the server still, and hears what it does not have", async () => {
  const order: string[] = [];
  const add = vi.fn(async (pairs: readonly Pair[]) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    order.push(`wrote ${pairs.map((pair) => pair.imageId).join()}`);
    return pairs.slice(0, 0);
  });
  const { made } = writer({ add });
  made.push([on("1")]);
  await Promise.resolve();
  made.push([on("2")]);
  const read = made.whileStill(async (pending) => {
    order.push(`reading without ${[...pending].join()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    order.push("read");
  });
  await Promise.all([read, made.idle()]);
  expect(order).toEqual(["wrote 1", "reading without 2", "read", "wrote 2"]);
});

test("a lost connection is waited for", async () => {
  const add = vi.fn(async (pairs: readonly Pair[]) => {
    if (add.mock.calls.length === 1) throw new ApiError("gone", 0, "Unreachable");
    return pairs.slice(0, 0);
  });
  const { made, untilReachable, written, refused } = writer({ add });
  made.push([on("1")]);
  await made.idle();
  expect(untilReachable).toHaveBeenCalledOnce();
  expect(written).toHaveBeenCalledWith([on("1")]);
  expect(refused).not.toHaveBeenCalled();
});

test("one bad photo does not take the others with it", async () => {
  const add = vi.fn(async (pairs: readonly Pair[]) => {
    if (pairs.some((pair) => pair.imageId === "2")) throw new ApiError("no such image", 400, "BadRequest");
    return pairs.filter((pair) => pair.imageId === "3");
  });
  const { made, written, refused } = writer({ add });
  made.push([on("1"), on("2"), on("3")]);
  await made.idle();
  expect(written.mock.calls.flatMap(([changes]) => changes)).toEqual([on("1")]);
  expect(refused.mock.calls.map(([changes]) => changes[0]?.imageId)).toEqual(["2", "3"]);
});
