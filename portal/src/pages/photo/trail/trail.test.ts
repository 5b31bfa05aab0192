import { expect, test, vi } from "vitest";

import { type Stop, Trail } from "./trail";

/** A list of photos in order of time, four of each upload, the newest first. */
function list(count: number) {
  let photos: Stop[] = Array.from({ length: count }, (_, place) => ({
    id: `photo ${place}`,
    created: new Date(1_800_000_000_000 - Math.floor(place / 4) * 1000).toISOString(),
  }));
  const page = vi.fn(async (skip: number, take: number) => photos.slice(skip, skip + take));
  const trail = new Trail({ count: async () => photos.length, page, oldest: false });
  const stop = (place: number): Stop => photos[place] as Stop;
  const remove = (ids: readonly string[]): void => {
    photos = photos.filter(({ id }) => !ids.includes(id));
  };
  return { trail, page, stop, remove };
}

test("a photo's neighbours are found among many without reading all", async () => {
  const { trail, page, stop } = list(100_000);
  await trail.around(stop(70_001), null);
  expect([trail.before("photo 70001"), trail.after("photo 70001")]).toEqual(["photo 70000", "photo 70002"]);
  expect(trail.placeOf("photo 70001")).toBe(70_001);
  expect(trail.count).toBe(100_000);
  expect(page.mock.calls.length).toBeLessThan(25);
});

test("with the place known, one page is enough", async () => {
  const { trail, page, stop } = list(1000);
  await trail.around(stop(500), 500);
  expect(page).toHaveBeenCalledOnce();
  expect(trail.after("photo 500")).toBe("photo 501");
});

test("one can walk to both ends", async () => {
  const { trail, stop } = list(300);
  await trail.around(stop(150), null);
  for (let place = 150; place < 300; place += 1) await trail.around(stop(place), null);
  expect(trail.after("photo 299")).toBeNull();
  for (let place = 299; place >= 0; place -= 1) await trail.around(stop(place), null);
  expect(trail.before("photo 0")).toBeNull();
  expect(trail.placeOf("photo 0")).toBe(0);
  expect(trail.placeOf("photo 299")).toBe(299);
});

test("photos that leave the list meanwhile are not skipped and keep their neighbours", async () => {
  const { trail, stop, remove } = list(300);
  const all = Array.from({ length: 300 }, (_, place) => stop(place));
  await trail.around(all[0] as Stop, 0);
  const seen: string[] = [];
  for (let id: string | null = "photo 0"; id !== null; id = trail.after(id)) {
    seen.push(id);
    remove([id]);
    await trail.around(all[Number(id.slice(6))] as Stop, null);
  }
  expect(seen).toHaveLength(300);
  expect(trail.before("photo 200")).toBe("photo 199");
});

test("a photo that the list does not hold stands where it would be; a deleted one is left out", async () => {
  const { trail, stop, remove } = list(40);
  const gone = stop(20);
  remove(["photo 20"]);
  await trail.around(gone, null);
  expect(trail.after("photo 20")).toBe("photo 21");
  trail.forget("photo 20");
  expect(trail.placeOf("photo 20")).toBeNull();
  expect(trail.placeOf("photo 21")).toBe(20);
});
