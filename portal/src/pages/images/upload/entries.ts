/** What is to be uploaded: files, and files inside zip files, wherever they come from. */

export interface Entry {
  name: string;
  /** Folders that it lies in, the outermost first. */
  folders: readonly string[];
  size: number;
  /** Its bytes; read when it is sent. */
  read: () => Promise<Blob>;
}

/** What was found, and what was not taken. */
export interface Found {
  entries: Entry[];
  refused: { name: string; reason: string }[];
}

export function joined(one: Found, other: Found): Found {
  return { entries: [...one.entries, ...other.entries], refused: [...one.refused, ...other.refused] };
}

const PICTURES = /\.(jpe?g|jpe|jfif|png|bmp|dib|gif|webp|tiff?|hei[cf]|hif|avif)$/i;
const ZIPS = /\.zip$/i;

export function isPicture(name: string): boolean {
  return PICTURES.test(name);
}

export function isZip(name: string, type = ""): boolean {
  return ZIPS.test(name) || type === "application/zip" || type === "application/x-zip-compressed";
}

/** Files that systems put into folders, and that nobody means to upload. */
export function isHidden(path: string): boolean {
  return partsOf(path).some((part) => part.startsWith(".") || /^(__MACOSX|thumbs\.db|desktop\.ini)$/i.test(part));
}

/** The parts of a path that name something: neither `.` nor `..` nor a drive. */
export function partsOf(path: string): string[] {
  return path
    .replaceAll("\\", "/")
    .split("/")
    .filter((part) => part !== "" && part !== "." && part !== ".." && !/^[a-z]:$/i.test(part));
}

export function entryOf(file: File, folders: readonly string[] = []): Entry {
  return { name: file.name, folders, size: file.size, read: async () => file };
}

/** The name of the folder that a file lies in, which may name what it shows. */
export function folderOf(entry: Entry): string | null {
  return entry.folders.at(-1) ?? null;
}

/** Folders with the number of their files, the largest first. */
export function foldersOf(entries: readonly Entry[]): [name: string, count: number][] {
  const counts = new Map<string, number>();
  for (const entry of entries) {
    const folder = folderOf(entry);
    if (folder !== null) counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts].sort(([one, many], [other, more]) => more - many || one.localeCompare(other));
}
