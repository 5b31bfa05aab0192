/** Names to publish under, checked as the server does. */
const LONGEST = 128;
const SUGGESTED = ["production", "live", "staging", "test"];

export type NameFault = "empty" | "spaces" | "long" | "dots" | "unprintable";

/** What is wrong with a name; null if nothing is. */
export function faultOf(name: string, longest = LONGEST): NameFault | null {
  if (name === "") return "empty";
  if (name !== name.trim()) return "spaces";
  if (name === "." || name === "..") return "dots";
  if ([...name].length > longest) return "long";
  // Of the separators, a plain space alone counts as printable.
  if (/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(name)) return "unprintable";
  return null;
}

/** Names worth a click: those in use first, since a new iteration usually takes one over. */
export function suggestionsOf(taken: readonly string[]): string[] {
  return [...new Set([...taken, ...SUGGESTED])].slice(0, 5);
}
