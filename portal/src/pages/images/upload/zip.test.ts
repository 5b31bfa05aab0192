import { zipSync } from "fflate";
import { expect, test } from "vitest";

import { texts } from "@/texts";

import { foldersOf, isHidden, partsOf } from "./entries";
import { fitted } from "./shrink";
import { zipEntries } from "./zip";
import { nameIn } from "./zipNames";

const MOST = 1_000_000;

function zip(files: Record<string, Uint8Array>, level: 0 | 6 = 6): File {
  return new File([zipSync(files, { level }) as Uint8Array<ArrayBuffer>], "photos.zip");
}

async function bytesOf(blob: Blob): Promise<Uint8Array> {
  return new Uint8Array(await blob.arrayBuffer());
}

test.each([0, 6] as const)("photos are read out of a zip file, level %d", async (level) => {
  const content = new Uint8Array(5000).map((_, place) => place % 7);
  const found = await zipEntries(
    zip({ "cats/a.jpg": content, "__MACOSX/a.jpg": content, "cats/.DS_Store": content, "notes.txt": content }, level),
    MOST,
  );
  expect(found.entries.map(({ name, folders, size }) => [name, folders, size])).toEqual([["a.jpg", ["cats"], 5000]]);
  expect(found.refused).toEqual([{ name: "photos.zip: notes.txt", reason: texts.upload.notPicture }]);
  expect(await bytesOf(await (found.entries[0]?.read() ?? Promise.reject(new Error("none"))))).toEqual(content);
});

test("a file that holds more than it says is not read to its end", async () => {
  const packed = zipSync({ "bomb.png": new Uint8Array(3_000_000) });
  const view = new DataView(packed.buffer);
  const listed = packed.findIndex((_, at) => at + 4 <= packed.length && view.getUint32(at, true) === 0x02014b50);
  view.setUint32(listed + 24, 100, true);
  const found = await zipEntries(new File([packed as Uint8Array<ArrayBuffer>], "bomb.zip"), MOST);
  expect(found.entries[0]?.size).toBe(100);
  await expect(found.entries[0]?.read()).rejects.toThrow(texts.upload.zipBroken);
});

test.each([0, 6] as const)("a photo that changed in its zip file is refused, level %d", async (level) => {
  const packed = zipSync({ "a.jpg": new Uint8Array(900).map((_, place) => (place * 7919) % 251) }, { level });
  packed[level === 0 ? 200 : 60] = (packed[level === 0 ? 200 : 60] ?? 0) ^ 1;
  const found = await zipEntries(new File([packed as Uint8Array<ArrayBuffer>], "damaged.zip"), MOST);
  await expect(found.entries[0]?.read()).rejects.toThrow(texts.upload.zipBroken);
});

test("files that lie outside, or that share their bytes, are refused", async () => {
  const outside = await zipEntries(zip({ "../../etc/a.jpg": new Uint8Array(10), "b/c.jpg": new Uint8Array(10) }), MOST);
  expect(outside.entries.map((entry) => entry.name)).toEqual(["c.jpg"]);
  expect(outside.refused).toEqual([{ name: "photos.zip: a.jpg", reason: texts.upload.zipOutside }]);
  const packed = zipSync({ "a.jpg": new Uint8Array(900), "b.jpg": new Uint8Array(900) }, { level: 0 });
  const view = new DataView(packed.buffer);
  for (let at = 0; at + 46 <= packed.length; at += 1) {
    if (view.getUint32(at, true) === 0x02014b50) view.setUint32(at + 20, 1500, true);
  }
  const forged = await zipEntries(new File([packed as Uint8Array<ArrayBuffer>], "forged.zip"), MOST);
  expect(forged).toEqual({ entries: [], refused: [{ name: "forged.zip", reason: texts.upload.zipForged }] });
});

test("names of old programs are read", () => {
  expect(nameIn(new TextEncoder().encode("Gänse/ü.jpg"))).toBe("Gänse/ü.jpg");
  expect(nameIn(new Uint8Array([0x47, 0x84, 0x6e, 0x73, 0x65, 0xe1, 0xff]))).toBe("Gänseß\u00a0");
});

test("what is too large, or no zip file, is said", async () => {
  const large = await zipEntries(zip({ "a.jpg": new Uint8Array(2000) }), 1000);
  expect(large.refused[0]?.reason).toBe(texts.upload.tooLargeToRead(1000));
  const none = await zipEntries(new File(["no zip file at all, whatever its name"], "a.zip"), MOST);
  expect(none.refused).toEqual([{ name: "a.zip", reason: texts.upload.zipBroken }]);
});

test("paths are only names", () => {
  expect(partsOf("../../C:\\cats//./a.jpg")).toEqual(["cats", "a.jpg"]);
  expect([isHidden("cats/.git/a.jpg"), isHidden("cats/Thumbs.db"), isHidden("cats/a.jpg")]).toEqual([true, true, false]);
  const read = async (): Promise<Blob> => new Blob();
  const entries = [["x", "cats"], ["cats"], []].map((folders) => ({ name: "a", folders, size: 1, read }));
  expect(foldersOf(entries)).toEqual([["cats", 2]]);
});

test("a photo is scaled to the largest edge, and never up", () => {
  expect([fitted(4000, 2000, 1000), fitted(20_000, 1, 1000), fitted(100, 50, 1000)]).toEqual([
    [1000, 500],
    [1000, 1],
    [100, 50],
  ]);
});
