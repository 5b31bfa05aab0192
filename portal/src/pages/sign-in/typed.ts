/** What was entered where a key is expected; many paste the whole line that a command printed. */

export type Typed = { token: string } | { key: string } | null;

const LINK = /#\/sign-in\/([\w-]+)/;
const KEY = /^[\x21-\x7e]+$/;

/** A link's token, or a key; null for what is neither. */
export function readTyped(text: string): Typed {
  const token = LINK.exec(text)?.[1];
  if (token !== undefined) return { token };
  const key = text.trim();
  return KEY.test(key) ? { key } : null;
}
