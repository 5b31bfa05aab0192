import { counted } from "./common";

const photos = (count: number): string => counted(count, "photo");

export const compare = {
  title: "Compare iterations",
  one: "This iteration",
  other: "Compared with",
  swap: "Swap",
  needTwo: "There is only one trained iteration",
  needTwoText: "Train the project again, for example with more photos, to compare the two.",
  chooseOther: "Choose two different iterations.",
  back: "To the performance",
  judgedByBoth: (count: number) => `${photos(count)} judged by both, while held out.`,
  noneInCommon: "No photo was judged by both iterations.",
  won: "Won",
  wonText: (name: string, other: string) => `${name} is right, ${other} is wrong`,
  lost: "Lost",
  lostText: (name: string, other: string) => `${name} is wrong, ${other} is right`,
  bothRight: "Both right",
  bothWrong: "Both wrong",
  figures: "Figures side by side",
  figure: "Figure",
  difference: "Difference",
  pointsMore: (share: number) => {
    const value = Math.round(1000 * share) / 10;
    return value === 0 ? "no difference" : `${value > 0 ? "+" : "−"}${Math.abs(value)} points`;
  },
  nothingWon: "No photo was won.",
  nothingLost: "No photo was lost.",
  says: (name: string) => `${name}:`,
  first: (shown: number, count: number) => `The ${shown} of ${count} in which the two differ most.`,
  nothing: "nothing",
};
