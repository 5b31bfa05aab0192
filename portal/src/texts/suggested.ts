import { common, counted } from "./common";

const photos = (count: number): string => counted(count, "photo");
const boxes = (count: number): string => counted(count, "box", "boxes");

export const suggested = {
  title: "Suggested",
  untrained: "Train first",
  untrainedText:
    "Once the project is trained, an iteration suggests tags for untagged photos, and you only confirm them. This is the fastest way to tag many photos.",
  train: "Go to training",
  nothingUntagged: "Every photo has a tag",
  nothingUntaggedText: "Add photos without tags, and come back: the model suggests what they show.",
  addPhotos: "Go to the photos",
  noneYet: "No suggestions yet",
  noneYetText: (untagged: number, iteration: string) =>
    `${photos(untagged)} ${untagged === 1 ? "has" : "have"} no tag. ${iteration} can suggest tags for them.`,
  noneYetReadOnly: "Suggestions appear here when someone with a training key asks for them.",

  iteration: "Iteration",
  howMany: "How many photos",
  get: "Get suggestions",
  getting: (done: number, of: number) => `${common.number(done)} of ${photos(of)} looked at`,
  looking: "Looking for untagged photos…",
  stop: "Stop",
  left: (untagged: number, without: number | null) =>
    without === null
      ? `${photos(untagged)} untagged`
      : without === 0
        ? `${photos(untagged)} untagged, all with suggestions`
        : `${photos(untagged)} untagged, ${common.number(without)} of them without suggestions`,

  tag: "Tag",
  anyTag: "Any tag",
  withCount: (name: string, count: number | undefined) =>
    count === undefined ? name : `${name} (${common.number(count)})`,
  threshold: (share: number) => `At least ${common.percent(share)}`,
  order: "Order",
  orders: { unsurest: "Least sure first", surest: "Surest first" },

  noneFit: "No suggestion fits",
  noneFitText: "Choose a lower probability or another tag.",
  allDone: "All suggestions are done",
  more: "Load more",
  rejected: (count: number) => `${counted(count, "suggestion")} rejected`,
  restore: "Show them again",

  unlikely: (count: number) => `No tag is likely: ${photos(count)}`,
  group: (name: string, count: number) => `${name}: ${photos(count)}`,
  selectAll: "Select all",
  selectNone: "Select none",
  confirmAll: (count: number) => `Confirm all ${common.number(count)}`,
  photo: (tags: string) => `Photo: ${tags}`,
  select: (tags: string) => `Select the photo: ${tags}`,
  tagWithShare: (name: string, share: number) => `${name} ${common.percent(share)}`,
  confirm: (name: string) => `Confirm ${name}`,
  reject: "Reject the suggestion",
  selection: "Selected suggestions",
  selected: (count: number) => `${photos(count)} selected`,
  confirmSelected: "Confirm",
  rejectSelected: "Reject",
  otherTag: "Another tag",
  confirmed: (count: number) => `${photos(count)} tagged`,
  undo: "Undo",

  accept: (count: number) => `Accept ${boxes(count)}`,
  acceptAll: (count: number) => `Accept the boxes of all ${common.number(count)} photos shown`,
  acceptAllTitle: (count: number) => `Accept the boxes of ${photos(count)}?`,
  acceptAllText: (count: number) => `${boxes(count)} will be drawn. Each can be changed or deleted on its photo.`,
  acceptButton: "Accept",
  accepted: (count: number) => `Boxes drawn on ${photos(count)}.`,
  choose: "Choose boxes",
  chooseTitle: "Choose the boxes that are right",
  openEditor: "Open the photo",
};
