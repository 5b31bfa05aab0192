/** What was dropped, pasted or picked: files, folders with all that is in them, and zip files. */
import { texts } from "@/texts";

import { type Entry, type Found, entryOf, isHidden, isPicture, isZip, partsOf } from "./entries";
import { zipEntries } from "./zip";

/** Bytes of a photo that may be read to be scaled down. */
const MOST_READ = 256 * 1024 * 1024;

interface Located {
  file: File;
  folders: readonly string[];
}

/** The items of a drop; has to be called while the event is handled, since the browser forgets them after. */
export function droppedFiles(data: DataTransfer): Promise<Located[]> {
  const items = [...data.items].filter((item) => item.kind === "file");
  const places = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  return Promise.all(places.map((place) => (place instanceof File || !place ? alone(place) : walk(place, [])))).then(
    (found) => found.flat(),
  );
}

/** The files of an input; those of a folder say where they lie. */
export function pickedFiles(files: Iterable<File>): Located[] {
  return [...files].map((file) => ({ file, folders: partsOf(file.webkitRelativePath).slice(0, -1) }));
}

/** The photos among files: those in zip files too. */
export async function sortOut(located: readonly Located[]): Promise<Found> {
  const entries: Entry[] = [];
  const refused: Found["refused"] = [];
  for (const { file, folders } of located) {
    const path = [...folders, file.name].join("/");
    if (isHidden(path)) continue;
    if (isZip(file.name, file.type)) {
      const inside = await zipEntries(file, MOST_READ);
      entries.push(...inside.entries);
      refused.push(...inside.refused);
    } else if (!isPicture(file.name) && !file.type.startsWith("image/")) {
      refused.push({ name: file.name, reason: texts.upload.notPicture });
    } else if (file.size > MOST_READ) {
      refused.push({ name: file.name, reason: texts.upload.tooLargeToRead(MOST_READ) });
    } else {
      entries.push(entryOf(file, folders));
    }
  }
  return { entries, refused };
}

function alone(file: File | null): Promise<Located[]> {
  return Promise.resolve(file ? [{ file, folders: [] }] : []);
}

async function walk(place: FileSystemEntry, folders: readonly string[]): Promise<Located[]> {
  if (place.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (place as FileSystemFileEntry).file(resolve, reject),
    ).catch(() => null);
    return file ? [{ file, folders }] : [];
  }
  const reader = (place as FileSystemDirectoryEntry).createReader();
  const found: Located[] = [];
  for (;;) {
    // A reader gives some hundred at a time, and none at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    const inside = [...folders, place.name];
    found.push(...(await Promise.all(some.map((one) => walk(one, inside)))).flat());
  }
}
