import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { ApiError } from "@/api/errors";

import type { Box, Written } from "./plan";
import { type Created, RegionWriter } from "./writer";

const limits = { batch: 64, tooMany: "at most 300", changedMeanwhile: "changed" };
const box = (id: string, left = 0, tagId: string | null = "a"): Box => ({
  id,
  tagId,
  left,
  top: 0,
  width: 10,
  height: 10,
});

/** A server that keeps regions in memory. */
function server(start: readonly Written[] = [], most = 300) {
  let regions = [...start];
  let number = 0;
  const calls = {
    create: vi.fn(async (boxes: readonly Box[]): Promise<Created> =>
      boxes.map((one) => {
        if (regions.some((region) => region.box.left === one.left && region.box.tagId === one.tagId)) return "there";
        if (regions.length >= most) return null;
        number += 1;
        regions.push({ regionId: `region ${number}`, box: one });
        return `region ${number}`;
      }),
    ),
    remove: vi.fn(async (ids: readonly string[]) => {
      regions = regions.filter(({ regionId }) => !ids.includes(regionId));
    }),
    read: vi.fn(async () => regions),
    untilReachable: vi.fn(async () => {}),
    untilSignedIn: vi.fn(async () => {}),
  };
  const writer = new RegionWriter(start, calls, limits, () => {});
  return { writer, calls, lefts: () => regions.map((one) => one.box.left).sort((one, other) => one - other) };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("only the last state of a moment is written, the new box before the old one goes", async () => {
  const { writer, calls, lefts } = server([{ regionId: "old", box: box("1") }]);
  for (const left of [1, 2, 3]) writer.want([box("1", left)]);
  expect(writer.open).toBe(1);
  expect(calls.create).not.toHaveBeenCalled();
  await vi.runAllTimersAsync();
  expect(calls.create.mock.calls.map(([boxes]) => boxes.map(({ left }) => left))).toEqual([[3]]);
  expect(calls.remove).toHaveBeenCalledWith(["old"]);
  expect(calls.create.mock.invocationCallOrder[0]).toBeLessThan(calls.remove.mock.invocationCallOrder[0] ?? 0);
  expect(lefts()).toEqual([3]);
  expect(writer.open).toBe(0);
});

test("a box without a tag waits for one; many boxes go in several calls", async () => {
  const { writer, calls, lefts } = server();
  writer.want([box("none", 900, null), ...Array.from({ length: 70 }, (_, place) => box(String(place), place))]);
  await writer.flush();
  expect(calls.create.mock.calls.map(([boxes]) => boxes.length)).toEqual([64, 6]);
  expect(lefts()).toHaveLength(70);
  expect(writer.open).toBe(0);
});

test("what is changed while a call is under way is written after it", async () => {
  const { writer, calls, lefts } = server();
  writer.want([box("1", 1)]);
  const written = writer.flush();
  writer.want([box("1", 2), box("2", 5)]);
  await written;
  expect(lefts()).toEqual([2, 5]);
  expect(calls.create.mock.calls.length).toBeLessThanOrEqual(2);
});

test("a lost connection is waited for; an answer that was lost makes no second region", async () => {
  const { writer, calls, lefts } = server();
  const create = calls.create.getMockImplementation();
  calls.create.mockImplementationOnce(async (boxes) => {
    await create?.(boxes);
    throw new ApiError("gone", 0, "Unreachable");
  });
  writer.want([box("1", 1)]);
  await writer.flush();
  expect(calls.untilReachable).toHaveBeenCalledOnce();
  expect(calls.read).toHaveBeenCalledOnce();
  expect(writer.isLost).toBe(false);
  expect(lefts()).toEqual([1]);
  writer.want([]);
  await writer.flush();
  expect(lefts()).toEqual([]);
});

test("a refused key is waited for", async () => {
  const { writer, calls, lefts } = server();
  calls.create.mockRejectedValueOnce(new ApiError("no such key", 401, "Unauthorized"));
  writer.want([box("1", 1)]);
  await writer.flush();
  expect(calls.untilSignedIn).toHaveBeenCalledOnce();
  expect(lefts()).toEqual([1]);
});

test("one refused box does not take the others with it, and is tried again when it changed", async () => {
  const { writer, calls, lefts } = server([{ regionId: "old", box: box("2", 2) }]);
  const create = calls.create.getMockImplementation();
  calls.create.mockImplementation(async (boxes) => {
    if (boxes.some(({ tagId }) => tagId === "gone")) throw new ApiError("no such tag", 400, "NotFoundTag");
    return (await create?.(boxes)) ?? [];
  });
  writer.want([box("1", 1), box("2", 2, "gone"), box("3", 3)]);
  await writer.flush();
  expect(lefts()).toEqual([1, 2, 3]);
  expect(writer.problem?.message).toBe("no such tag");
  expect(writer.open).toBe(1);
  writer.want([box("1", 1), box("2", 9), box("3", 3)]);
  await writer.flush();
  expect(writer.problem).toBeNull();
  expect(lefts()).toEqual([1, 3, 9]);
});

test("where a photo is full, a moved box finds the place of the old one, a new box is refused", async () => {
  const { writer, lefts } = server([{ regionId: "a", box: box("1", 1) }], 1);
  writer.want([box("1", 2)]);
  await writer.flush();
  expect(lefts()).toEqual([2]);
  expect(writer.problem).toBeNull();
  writer.want([box("1", 2), box("2", 7)]);
  await writer.flush();
  expect(writer.problem?.message).toBe("at most 300");
  expect(lefts()).toEqual([2]);
});

test("two boxes that are alike are one region, which goes with the last of them", async () => {
  const { writer, calls, lefts } = server();
  writer.want([box("1", 1)]);
  await writer.flush();
  writer.want([box("1", 1), box("2", 1)]);
  await writer.flush();
  writer.want([box("2", 1)]);
  await writer.flush();
  expect(lefts()).toEqual([1]);
  expect(calls.remove).not.toHaveBeenCalled();
  writer.want([]);
  await writer.flush();
  expect(lefts()).toEqual([]);
});

test("a refused deletion is kept and tried again on request", async () => {
  const { writer, calls, lefts } = server([{ regionId: "old", box: box("1", 1) }]);
  calls.remove.mockRejectedValueOnce(new ApiError("not now", 500, "Error"));
  writer.want([]);
  await writer.flush();
  expect(writer.problem?.message).toBe("not now");
  await writer.retry();
  expect(writer.problem).toBeNull();
  expect(lefts()).toEqual([]);
});

test("the server's state is taken over only where nothing was written since it was asked for", async () => {
  const { writer } = server();
  const before = writer.revision;
  writer.want([box("1", 1)]);
  expect(writer.adopt([], before)).toBe(false);
  await writer.flush();
  expect(writer.adopt([], before)).toBe(false);
  expect(writer.adopt([], writer.revision)).toBe(true);
  expect(writer.open).toBe(0);
});
