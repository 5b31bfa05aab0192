/**
 * The photos in a zip file: its directory is read first, a photo only when it is sent, so that neither the size of
 * the file nor a forged one takes the tab's memory.
 */
import { Inflate } from "fflate";

import { texts } from "@/texts";

import { crc32 } from "./crc32";
import { type Entry, type Found, isHidden, isPicture, partsOf } from "./entries";
import { nameIn } from "./zipNames";

/** Files that a directory may list. */
export const MAX_FILES = 100_000;
const MAX_DIRECTORY = 64 * 1024 * 1024; // bytes
const TAIL = 66_000; // bytes in which the end of the directory is found: it may have a comment of 64 KB
const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const LISTED = 0x02014b50;
const LOCAL = 0x04034b50;
const CHUNK = 1 << 16;
const ENCRYPTED = 1;
const STORED = 0;
const DEFLATED = 8;

interface Listed {
  path: string;
  method: number;
  flags: number;
  sum: number;
  packed: number;
  size: number;
  offset: number;
}

/**
 * The photos that a zip file holds.
 *
 * @param most bytes of a photo; larger ones are refused.
 */
export async function zipEntries(zip: File, most: number): Promise<Found> {
  const found: Found = { entries: [], refused: [] };
  let listed: Listed[];
  try {
    listed = await directoryOf(zip);
  } catch (error) {
    return { entries: [], refused: [{ name: zip.name, reason: error instanceof Error ? error.message : "" }] };
  }
  for (const one of listed) {
    if (one.path.endsWith("/") || isHidden(one.path)) continue;
    const parts = partsOf(one.path);
    const name = parts.at(-1) ?? one.path;
    const reason = reasonAgainst(one, name, most);
    if (reason) found.refused.push({ name: `${zip.name}: ${name}`, reason });
    else found.entries.push(entryIn(zip, one, name, parts.slice(0, -1)));
  }
  if (found.entries.length === 0 && found.refused.length === 0) {
    found.refused.push({ name: zip.name, reason: texts.upload.zipEmpty });
  }
  return found;
}

function reasonAgainst(one: Listed, name: string, most: number): string | null {
  if (!isPicture(name)) return texts.upload.notPicture;
  if (one.path.split(/[/\\]/).includes("..")) return texts.upload.zipOutside;
  if (one.flags & ENCRYPTED) return texts.upload.zipLocked;
  if (one.method !== STORED && one.method !== DEFLATED) return texts.upload.zipMethod;
  return one.size > most ? texts.upload.tooLargeToRead(most) : null;
}

function entryIn(zip: File, one: Listed, name: string, folders: readonly string[]): Entry {
  return { name, folders, size: one.size, read: () => contentOf(zip, one) };
}

async function contentOf(zip: Blob, one: Listed): Promise<Blob> {
  const head = await view(zip, one.offset, one.offset + 30);
  if (head.byteLength < 30 || head.getUint32(0, true) !== LOCAL) throw new Error(texts.upload.zipBroken);
  const start = one.offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  const packed = zip.slice(start, start + one.packed);
  if (packed.size !== one.packed) throw new Error(texts.upload.zipBroken);
  const content = one.method === STORED ? packed : await inflated(packed, one.size);
  if (crc32(new Uint8Array(await content.arrayBuffer())) !== one.sum) throw new Error(texts.upload.zipBroken);
  return content;
}

/** @param size that the directory promises: what holds more, or less, is forged or broken. */
async function inflated(packed: Blob, size: number): Promise<Blob> {
  const bytes = new Uint8Array(await packed.arrayBuffer());
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const inflate = new Inflate((part) => {
    length += part.length;
    if (length <= size) parts.push(new Uint8Array(part));
  });
  try {
    for (let start = 0; start < bytes.length && length <= size; start += CHUNK) {
      inflate.push(bytes.subarray(start, start + CHUNK), start + CHUNK >= bytes.length);
    }
  } catch {
    throw new Error(texts.upload.zipBroken);
  }
  if (length !== size) throw new Error(texts.upload.zipBroken);
  return new Blob(parts);
}

async function directoryOf(zip: Blob): Promise<Listed[]> {
  const { start, size, count } = await placeOfDirectory(zip);
  if (count > MAX_FILES || size > MAX_DIRECTORY) throw new Error(texts.upload.zipTooMany(MAX_FILES));
  const data = await view(zip, start, start + size);
  const listed: Listed[] = [];
  let at = 0;
  while (listed.length < count && at + 46 <= data.byteLength && data.getUint32(at, true) === LISTED) {
    const [name, extra, comment] = [28, 30, 32].map((field) => data.getUint16(at + field, true)) as [
      number,
      number,
      number,
    ];
    if (at + 46 + name + extra > data.byteLength) break;
    const path = nameIn(new Uint8Array(data.buffer, data.byteOffset + at + 46, name));
    const one = {
      path,
      flags: data.getUint16(at + 8, true),
      method: data.getUint16(at + 10, true),
      sum: data.getUint32(at + 16, true),
      packed: data.getUint32(at + 20, true),
      size: data.getUint32(at + 24, true),
      offset: data.getUint32(at + 42, true),
    };
    listed.push({ ...one, ...largeNumbers(data, at + 46 + name, extra, one) });
    at += 46 + name + extra + comment;
  }
  if (listed.length < count) throw new Error(texts.upload.zipBroken);
  // Files that share their bytes make a small zip file hold more than any disk.
  if (listed.reduce((sum, one) => sum + one.packed, 0) > zip.size) throw new Error(texts.upload.zipForged);
  return listed;
}

/** Of files beyond 4 GB: their numbers stand in an extra field, in this order, as far as they do not fit. */
function largeNumbers(data: DataView, start: number, length: number, one: Listed): Partial<Listed> {
  const wanted = (["size", "packed", "offset"] as const).filter((name) => one[name] === 0xffffffff);
  if (wanted.length === 0) return {};
  for (let at = start; at + 4 <= start + length; at += 4 + data.getUint16(at + 2, true)) {
    if (data.getUint16(at, true) !== 1 || at + 4 + 8 * wanted.length > data.byteLength) continue;
    return Object.fromEntries(
      wanted.map((name, place) => [name, Number(data.getBigUint64(at + 4 + 8 * place, true))]),
    );
  }
  return {};
}

async function placeOfDirectory(zip: Blob): Promise<{ start: number; size: number; count: number }> {
  const from = Math.max(0, zip.size - TAIL);
  const tail = await view(zip, from, zip.size);
  for (let at = tail.byteLength - 22; at >= 0; at -= 1) {
    if (tail.getUint32(at, true) !== END) continue;
    const count = tail.getUint16(at + 10, true);
    const [size, start] = [tail.getUint32(at + 12, true), tail.getUint32(at + 16, true)];
    const isLarge = count === 0xffff || size === 0xffffffff || start === 0xffffffff;
    if (isLarge && at >= 20 && tail.getUint32(at - 20, true) === LOCATOR_64) {
      return largeDirectory(zip, Number(tail.getBigUint64(at - 12, true)));
    }
    return { start, size, count };
  }
  throw new Error(texts.upload.zipBroken);
}

async function largeDirectory(zip: Blob, at: number): Promise<{ start: number; size: number; count: number }> {
  const end = await view(zip, at, at + 56);
  if (end.byteLength < 56 || end.getUint32(0, true) !== END_64) throw new Error(texts.upload.zipBroken);
  const [count, size, start] = [32, 40, 48].map((field) => Number(end.getBigUint64(field, true))) as [
    number,
    number,
    number,
  ];
  return { start, size, count };
}

async function view(blob: Blob, start: number, end: number): Promise<DataView> {
  return new DataView(await blob.slice(start, end).arrayBuffer());
}
