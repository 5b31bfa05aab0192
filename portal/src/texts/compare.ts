import { counted } from "./common";

const photos = (count: number): string => counted(count, "photo");

export const compare = {
  title: "Compare iterations",
  one: "This iteration",
  other: "Compared with",
  swap: "Swap",
  needTwo: "There is only one trained iteration",
  needTwoText: "Train the project again, for example with more photos, to compare the two.",
  back: "To the performance",
  judgedByBoth: (count: number) => `${photos(count)} judged by both, while held out.`,
  noneInCommon: "No photo was judged by both iterations.",
  won: "Won",
  wonText: (name: string, other: string) => `${name} is right, ${other} is wrong`,
  lost: "Lost",
  lostText: (name: string, other: string) => `${name} is wrong, ${other} is right`,
  bothRight: "Both right",
  bothWrong: "Both wrong",
  balance: "Won and lost",
  rule: (other: string, one: string) => `Both are held against the tags that ${one} was trained with, also ${other}.`,
  titleWithCount: (title: string, count: number) => `${title}: ${photos(count)}`,
  aboveSays: (name: string) => `Above: ${name}`,
  drawnBoxes: (tags: readonly string[]) => (tags.length ? `Drawn: ${tags.join(", ")}` : "Nothing is drawn"),
  legend:
    "Solid boxes are drawn, dashed ones were found. A photo is right if each drawn box is found and nothing else is.",
  figures: "Figures side by side",
  figure: "Figure",
  difference: "Difference",
  pointsMore: (share: number) => {
    const value = Math.round(1000 * share) / 10;
    return value === 0 ? "no difference" : `${value > 0 ? "+" : "−"}${Math.abs(value).toFixed(1)} points`;
  },
  nothingWon: "No photo was won.",
  nothingLost: "No photo was lost.",
  says: (name: string) => `${name}:`,
  first: (shown: number, count: number) => `The ${shown} of ${count} in which the two differ most.`,
  nothing: "nothing",
};
