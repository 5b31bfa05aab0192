/** Which key stands for which tag: digits first, then letters that mean nothing else. */

const DIGITS = [..."123456789"];
const LETTERS = [..."qwertyiopasdfghjklzxcvbnm"]; // without u, which takes tags off

export const TAG_KEYS: readonly string[] = [...DIGITS, ...LETTERS];

export type KeysOfTags = Readonly<Record<string, string>>;

/**
 * The keys of tags, by their ids: a tag keeps its key as long as it is there.
 *
 * @param tagIds of all tags, in the order in which they get keys.
 * @param before the keys that were given before.
 */
export function assigned(tagIds: readonly string[], before: KeysOfTags): KeysOfTags {
  const kept = Object.entries(before).filter(([tagId, key]) => tagIds.includes(tagId) && TAG_KEYS.includes(key));
  const taken = new Set(kept.map(([, key]) => key));
  const free = TAG_KEYS.filter((key) => !taken.has(key));
  const isNew = (tagId: string): boolean => !kept.some(([known]) => known === tagId);
  const fresh = tagIds.filter(isNew).slice(0, free.length);
  return Object.fromEntries([...kept, ...fresh.map((tagId, place) => [tagId, free[place] ?? ""] as const)]);
}

/** Give a tag a key; the tag that had it gets the other's. */
export function reassigned(keys: KeysOfTags, tagId: string, key: string): KeysOfTags {
  const holder = Object.keys(keys).find((other) => keys[other] === key);
  const swapped = { ...keys, [tagId]: key };
  if (!holder || holder === tagId) return swapped;
  const given = keys[tagId];
  if (given) return { ...swapped, [holder]: given };
  return Object.fromEntries(Object.entries(swapped).filter(([other]) => other !== holder));
}

export function tagOfKey(keys: KeysOfTags, key: string): string | undefined {
  return Object.keys(keys).find((tagId) => keys[tagId] === key.toLowerCase());
}
