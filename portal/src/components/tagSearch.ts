/** Which tags a typed text means. */

interface Named {
  name: string;
}

/** Tags whose names have the text: the one of that name first, then those that begin with it. */
export function tagsWith<T extends Named>(tags: readonly T[], text: string): T[] {
  const wanted = text.toLowerCase();
  const rank = ({ name }: T): number => (sameName(name, text) ? 0 : name.toLowerCase().startsWith(wanted) ? 1 : 2);
  return tags
    .filter((tag) => tag.name.toLowerCase().includes(wanted))
    .sort((one, other) => rank(one) - rank(other));
}

/** Whether the text could be the name of another tag. */
export function isNewName(tags: readonly Named[], text: string): boolean {
  return text !== "" && !tags.some((tag) => sameName(tag.name, text));
}

function sameName(one: string, other: string): boolean {
  return one.localeCompare(other, undefined, { sensitivity: "accent" }) === 0;
}
