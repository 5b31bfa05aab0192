/** Colours of tags: the same tag has the same colour everywhere, and white text on it can be read. */
const LIGHTNESS = 0.5;
const CHROMA = 0.17;
const HUES = 360;
const FIRST_HUE = 25;
/** The golden angle: however many hues there are, neighbours differ as much as they can. */
const STEP = 137.508;

const places = new Map<string, number>();

/** Tell a project's tags, in the order in which they were made: those of one project get colours that differ. */
export function orderTags(tagIds: readonly string[]): void {
  tagIds.forEach((tagId, place) => places.set(tagId, place));
}

/** A colour as `#rrggbb`, which a canvas, SVG and CSS take alike. */
export function tagColour(tagId: string): string {
  return colourOfHue(hueOf(tagId));
}

/** By its place in its project; of a tag that is not known yet, by its id. */
export function hueOf(tagId: string): number {
  const place = places.get(tagId);
  if (place !== undefined) return Math.round(FIRST_HUE + place * STEP) % HUES;
  let sum = 2_166_136_261;
  for (const letter of tagId) sum = Math.imul(sum ^ letter.charCodeAt(0), 16_777_619) >>> 0;
  return sum % HUES;
}

/** Of OKLCH, in which hues of one lightness look equally light. */
export function colourOfHue(hue: number): string {
  const a = CHROMA * Math.cos((hue * Math.PI) / 180);
  const b = CHROMA * Math.sin((hue * Math.PI) / 180);
  const long = (LIGHTNESS + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (LIGHTNESS - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (LIGHTNESS - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
  ];
  return "#" + linear.map(hexOf).join("");
}

function hexOf(linear: number): string {
  const inside = Math.min(1, Math.max(0, linear));
  const encoded = inside <= 0.0031308 ? 12.92 * inside : 1.055 * inside ** (1 / 2.4) - 0.055;
  return Math.round(encoded * 255)
    .toString(16)
    .padStart(2, "0");
}
