import { common, counted } from "./common";

export const predictions = {
  title: "Predictions",
  order: "Order",
  orders: { Suggested: "Most useful first", Newest: "Newest first", Oldest: "Oldest first" },
  iteration: "Answered by",
  anyIteration: "Any iteration",
  tag: "Tag",
  anyTag: "Any tag",
  clear: "Show all again",
  clearFilters: "Show all",
  range: (low: number, high: number) => `Probability ${common.percent(low)} to ${common.percent(high)}`,
  least: "Least probability",
  most: "Greatest probability",
  since: "From",
  until: "Until",
  refresh: "Look again",
  empty: "Nothing was asked yet",
  emptyText:
    "Photos that programs send to a published iteration are kept here, and so are those of quick tests. Look through them now and then: add those that the model was unsure of to the training photos, with the right tag, and train again.",
  noneOfFilter: "No prediction fits these filters",
  count: (count: number, more: boolean) =>
    more ? `${counted(count, "prediction")} loaded; more come as you scroll` : counted(count, "prediction"),
  selection: "Selected predictions",
  selected: (count: number) => `${counted(count, "prediction")} selected`,
  unselect: "Select none",
  addBoxes: (threshold: number) => `Add with the boxes from ${common.percent(threshold)} on`,
  added: (count: number) => `${counted(count, "photo")} added to the training photos.`,
  deleteTitle: (count: number) => `Delete ${counted(count, "prediction")}?`,
  deleteText: "The photos and the answers are lost. Training photos stay.",
  asked: (date: string) => `Asked ${date}`,
  photo: "The photo that was sent",
  answeredBy: (name: string, published: string | null) =>
    published ? `Answered by ${name}, which is published as ${published} now.` : `Answered by ${name}.`,
  previous: "Previous",
  next: "Next",
};
