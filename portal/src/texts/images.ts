import { common, counted } from "./common";

const photos = (count: number): string => counted(count, "photo");
const taggedOf = (count: number, tagged: number | null): string =>
  tagged ? (count === 1 ? ", which is tagged," : `, ${common.number(tagged)} of them tagged,`) : "";

export const images = {
  title: "Images",
  tag: "Tag",
  tags: "Tags",
  noTags: "No tags",
  findOrMakeTag: (creatable: boolean) => (creatable ? "Find a tag, or type a new one" : "Find a tag"),
  makeTag: (name: string) => `Create “${name}”`,
  leaveOut: (name: string) => `Leave out ${name}`,
  photoAt: (place: number, label: string, wrong = false) =>
    `Photo ${place}${label ? `, ${label}` : ""}${wrong ? ", judged wrong" : ""}`,
  photos,
  grid: "Photos",

  show: "Show",
  all: "All",
  tagged: "Tagged",
  untagged: "Untagged",
  withCount: (name: string, count: number) => `${name} ${common.number(count)}`,
  filterByTag: "With any of these tags",
  filters: "Filters",
  iteration: "Photos as of",
  now: "Now",
  newest: "Newest first",
  oldest: "Oldest first",
  order: "Order",
  zoom: "Size of the photos",
  asOf: "You see the photos as that iteration was trained on them. Go back to “Now” to change tags.",
  mistaken: (wrong: number, judged: number, isComplete: boolean) =>
    `A red frame marks the photos that the iteration got wrong when it had not learned from them: ` +
    `${common.number(wrong)} of ${photos(judged)}${isComplete ? "" : " so far"}.`,
  moreNow: (count: number) => `${photos(count)} more ${count === 1 ? "is" : "are"} there now.`,
  fewerNow: (count: number) => `${photos(count)} ${count === 1 ? "is" : "are"} no longer there.`,
  showNow: "Show the list as it is now",
  changedMeanwhile:
    "Photos were added or deleted meanwhile, so that more or fewer than you selected would be changed. Select them again.",
  hasLeft: (count: number) => `${photos(count)} shown here no longer match${count === 1 ? "es" : ""}.`,
  tidy: "Hide them",

  empty: "No photos yet",
  emptyText:
    "Drop photos, folders or zip files anywhere on this page, or paste one. A folder for each tag saves work: its name is offered as the tag.",
  emptyReadOnly: "Photos appear here when someone with a training key adds them.",
  noneFound: "No photos match",
  noneFoundText: "Choose other tags, or show all photos.",
  nothingUntagged: "Every photo has a tag",
  showAll: "Show all photos",

  chosen: (count: number) => `${photos(count)} selected`,
  chooseAll: (count: number) => `Select all ${common.number(count)}`,
  chooseNone: "Clear the selection",
  addTag: "Tag…",
  removeTags: "Remove tags",
  removeTag: "Remove a tag…",
  asNegative: "Negative",
  deletePhotos: "Delete",
  deleteTitle: (count: number) => `Delete ${photos(count)}?`,
  deleteText: (count: number, tagged: number | null) =>
    `${photos(count)}${taggedOf(count, tagged)} will be deleted from the project. ` +
    `Iterations that were trained on ${count === 1 ? "it" : "them"} stay as they are. This cannot be undone.`,
  deleted: (count: number) => `${photos(count)} deleted.`,
  working: (done: number, of: number) => `${common.number(done)} of ${common.number(of)}`,
  tooManyTags: (count: number) => `${photos(count)} could not take another tag.`,
  addTagTitle: (count: number) => `Tag ${photos(count)}`,
  removeTagTitle: (count: number) => `Remove a tag from ${photos(count)}`,

  undo: "Undo",
  redo: "Redo",
  undoStep: (label: string) => `Undo: ${label}`,
  redoStep: (label: string) => `Do again: ${label}`,
  undone: (label: string) => `Undone: ${label}`,
  stepTag: (count: number, tag: string) => `${photos(count)} tagged ${tag}`,
  stepUntag: (count: number, tag: string) => `${tag} removed from ${photos(count)}`,
  stepUntagAll: (count: number) => `Tags removed from ${photos(count)}`,
  saving: (count: number) => `Saving ${counted(count, "tag change")}…`,
  saved: "Saved",

  keysTitle: "Keys",
  keysButton: "Show the keys",
  keys: [
    ["← ↑ ↓ →", "Go to another photo; with Shift, select on the way"],
    ["Space", "Select the photo"],
    ["1 … 9, letters", "Put the tag with that key on the photo or the selected ones; again to take it off"],
    ["U", "Remove the tags"],
    ["Delete", "Delete the photo or the selected ones"],
    ["Ctrl+Z", "Undo tagging"],
    ["Ctrl+Y, Ctrl+Shift+Z", "Do it again"],
    ["Ctrl+A", "Select all"],
    ["Esc", "Clear the selection"],
    ["Enter", "Open the photo"],
    ["Home, End, Page Up, Page Down", "Move further; with Ctrl, to the first or last photo"],
    ["?", "Show these keys"],
  ] as const,
  keysUntagged: "While you look at untagged photos, a tag moves on to the next one.",

  tagPanel: "Tags",
  newTag: "New tag",
  newTagName: "Name of the new tag",
  create: "Create",
  makeNegative: "Add a Negative tag",
  negativeHint: "For photos that show none of the other tags. It helps the model to say “none of these”.",
  negative: "Negative",
  tagMenu: (name: string) => `Change ${name}`,
  edit: "Rename or describe…",
  editTitle: (name: string) => `Tag ${name}`,
  name: "Name",
  description: "Description",
  merge: "Merge into…",
  mergeTitle: (name: string) => `Merge ${name} into another tag`,
  mergeText: (name: string, count: number) =>
    `${photos(count)} with ${name} will get the other tag, and ${name} will be deleted. This cannot be undone.`,
  mergeInto: "The other tag",
  mergeButton: "Merge",
  merged: (name: string, into: string) => `${name} is now ${into}.`,
  deleteTag: "Delete…",
  deleteTagTitle: (name: string) => `Delete the tag ${name}?`,
  deleteTagText: (name: string, count: number, boxes: boolean) =>
    `${photos(count)} will lose ${name}${boxes ? ", with all its boxes" : ""}; the ${count === 1 ? "photo stays" : "photos stay"}. This cannot be undone.`,
  key: "Key",
  keyHint: "On the keyboard, it puts this tag on a photo.",
  keyIs: (key: string) => `key ${key.toUpperCase()}`,
  missing: (count: number, level: "none" | "least" | "fair") =>
    counted(count, "more photo") +
    { none: " to train", least: " to see how good it is", fair: " for a good number" }[level],
  goals: {
    least: "enough to train",
    fair: "enough to see how good it is",
    good: "a good number",
  },
  enough: "enough photos",
  toFilter: (name: string) => `Show photos tagged ${name}`,
  tagsExplain:
    "Make a tag for each thing that photos can show. Training a classifier needs 2 tags with 5 photos each; 50 of each are a good number.",
  tagsExplainBoxes: "Make a tag for each object. Training needs 15 photos with boxes of each; open a photo to draw them.",
  boxesHint: "Open a photo to draw boxes on it; its tags come from its boxes.",
};
