/** Colours of tags: the same tag has the same colour everywhere. */
const TURN = 360;

export function tagColour(tagId: string): string {
  let sum = 0;
  for (const letter of tagId) sum = (sum * 31 + letter.charCodeAt(0)) % 65_521;
  return `hsl(${sum % TURN} 65% 45%)`;
}
