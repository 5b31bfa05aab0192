import { common, counted } from "./common";

const photos = (count: number): string => counted(count, "photo");
const points = (share: number): string => {
  const rounded = Math.round(100 * Math.abs(share));
  return counted(rounded, "point");
};

export const performance = {
  title: "Performance",
  untrained: "Nothing is trained yet",
  untrainedText: "Train the project first. Then you see here how good the model is, and where it goes wrong.",
  train: "To training",
  unknown: "There is no such iteration",
  unknownText: "It may have been deleted.",
  newest: "Show the newest",

  iteration: "Iteration",
  iterationName: (name: string, published: string | null, status: string) => {
    const notes = [published && `published as ${published}`, status !== "Completed" && status.toLowerCase()];
    const said = notes.filter(Boolean).join(", ");
    return said ? `${name} (${said})` : name;
  },
  facts: "About this iteration",
  trainedAt: "Trained",
  startedAt: "Started",
  domain: "Domain",
  trainingType: "Training",
  duration: "Duration",
  published: "Published as",
  notPublished: "not published",
  photosJudged: "Photos",
  judged: (count: number, folds: number) => `${photos(count)} in ${folds} folds`,
  failed: "This training failed",
  underWay: "This iteration is being trained",
  underWayText: "Its figures appear here when it is done.",
  compare: "Compare",
  report: "Full report",
  reportHint: "Opens in a new tab",

  rename: "Rename",
  renameTitle: (name: string) => `Rename ${name}`,
  newName: "Name",
  renamed: (name: string) => `The iteration is now called ${name}.`,
  deleteTitle: (name: string) => `Delete ${name}?`,
  deleteText:
    "Its model, its figures and its exports are lost. Photos and tags stay. This cannot be undone.",
  deleted: (name: string) => `${name} deleted.`,
  unpublishFirst: "An iteration that is published cannot be deleted. Unpublish it first.",

  plain: "This iteration has only its main figures",
  plainText:
    "It was trained by an earlier version, or copied. Train the project again to see mistakes, confusions and calibration.",

  figures: "How good is it?",
  precision: "Precision",
  precisionHint: "of what it says, right",
  precisionOfBoxes: "of the boxes it finds, right",
  recall: "Recall",
  recallHint: "of what is there, found",
  averagePrecision: "Average precision",
  averagePrecisionHint: "mean of the tags, over all thresholds",
  map: (overlap: number) => `mAP at overlap ${common.percent(overlap)}`,
  mapMean: "mAP, mean of 50 to 95 %",
  mapHint: "mean of the tags' average precision",
  mapMeanHint: "how exact the boxes are, too",
  accuracy: "Accuracy",
  accuracyHint: (correct: number, images: number) => `${common.number(correct)} of ${photos(images)} right`,
  f1: "F1",
  f1Hint: "precision and recall in one figure",
  interval: (confidence: number, low: number, high: number) =>
    `${common.percent(confidence)} interval: ${(low * 100).toFixed(0)} to ${common.percent(high)}`,
  spread: (deviation: number) => `± ${common.percent(deviation)} between folds`,
  noFigure: "not defined",
  figureSaid: (name: string, value: string, range: string) => `${name} ${value}${range ? `, ${range}` : ""}`,
  heldOutNote: "Each photo was judged by a model that had not seen it.",
  intervalNote: (confidence: number) => `A band is the ${common.percent(confidence)} interval: few photos make it wide.`,
  foldNote: (reported: string) =>
    `At this setting, a band of precision or recall shows how much it differs between folds. Their intervals are known ${reported} only, as in the report.`,
  atThresholdOf: (threshold: number) => `at a threshold of ${common.percent(threshold)}`,
  atThresholdAndOverlap: (threshold: number, overlap: number) =>
    `at a threshold of ${common.percent(threshold)} and an overlap of ${common.percent(overlap)}`,

  threshold: "Probability threshold",
  thresholdHint: "A prediction counts when its probability reaches the threshold.",
  overlap: "Overlap threshold",
  overlapHint: "A found box is right when it overlaps a drawn one of its tag by so much.",
  useReported: (value: number) => `As in the report: ${common.percent(value)}`,
  useRecommended: (value: number) => `Recommended: ${common.percent(value)}`,
  expect: (precision: number | null, recall: number | null) =>
    precision === null || recall === null
      ? ""
      : `On new photos, expect a precision of ${common.percent(precision)} and a recall of ${common.percent(recall)} there.`,
  perTagThresholds: "Each tag has a recommended threshold of its own, below in the table.",

  tags: "Tags",
  tagsNote: "The weakest tags come first. A click on a column's title sorts by it.",
  tag: "Tag",
  negative: "negative",
  photoCount: "Photos",
  boxCount: "Boxes",
  recommended: "Recommended threshold",
  applyOf: (tag: string, value: number) => `Set the threshold to ${common.percent(value)}, recommended for ${tag}`,
  sortBy: (name: string) => `Sort by ${name}`,
  auc: "AUC",
  ap50: "AP at 50 %",
  ap5095: "AP, 50 to 95 %",

  curves: "Precision and recall",
  curvesNote: "With a lower threshold the model finds more, and less of it is right.",
  curvesOfWeakest: (count: number) => `The ${count} tags with the lowest average precision are drawn.`,
  curveSaid: (tag: string, ap: number | null) => `${tag}: average precision ${ap === null ? "not defined" : common.percent(ap)}`,
  atThreshold: "at the threshold",
  at: (name: string) => `${name} at the threshold`,
  between: (low: number, high: number) => `${(low * 100).toFixed(0)} to ${common.percent(high)}`,
  intervalTitle: "Interval",
  pointSaid: (xName: string, x: string, yName: string, y: number) => `${xName} ${x}: ${yName} ${common.percent(y)}`,
  sentence: (text: string) => {
    const trimmed = text.trim();
    const upper = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
    return /[.!?]$/.test(upper) ? upper : `${upper}.`;
  },

  confusion: "What was taken for what",
  confusionNote: "Rows are the true tags, columns are what the model found most probable. Choose a number to see its photos.",
  confusionOfTags: (threshold: number) =>
    `Counts of photos at a threshold of ${common.percent(threshold)}. Choose a number to see its photos.`,
  confusionOfBoxes: (threshold: number, overlap: number) =>
    `Boxes at a threshold of ${common.percent(threshold)} and an overlap of ${common.percent(overlap)}. Rows are drawn tags, columns are found ones. Choose a number to see its photos.`,
  trueTag: "True tag",
  drawnTag: "Drawn",
  became: "What became of it",
  foundTag: "Found",
  missed: "missed",
  nothingThere: "nothing there",
  onlyConfused: "Only tags that were confused",
  noConfusion: "Nothing was confused.",
  cell: (count: number, truth: string, found: string, boxes: boolean) =>
    `${boxes ? counted(count, "box", "boxes") : photos(count)} of ${truth} taken for ${found}`,
  cellRight: (count: number, tag: string, boxes: boolean) =>
    `${boxes ? counted(count, "box", "boxes") : photos(count)} of ${tag} recognised`,
  cellMissed: (count: number, tag: string) => `${counted(count, "box", "boxes")} of ${tag} missed`,
  cellInvented: (count: number, tag: string) => `${counted(count, "box", "boxes")} of ${tag} found where none of them is drawn`,
  outcomes: {
    hit: "Found rightly",
    missed: "Missed",
    alarm: "Given wrongly",
    rejected: "Left out rightly",
  },
  outcome: {
    hit: (count: number, tag: string) => `${photos(count)} rightly given ${tag}`,
    missed: (count: number, tag: string) => `${photos(count)} of ${tag} that did not get it`,
    alarm: (count: number, tag: string) => `${photos(count)} wrongly given ${tag}`,
    rejected: (count: number, tag: string) => `${photos(count)} rightly without ${tag}`,
  },
  looking: (seen: number) => `Looking through the photos: ${common.number(seen)} so far…`,
  fewer: (found: number, count: number) =>
    `${found} of ${count} can be shown. Tags or boxes of the others were changed, or the photos were deleted.`,
  foundPhotos: "Photos",
  saidOf: (tag: string, probability: number) => `${tag} ${common.percent(probability)}`,
  saidNothing: "nothing",
  drawnAs: (tag: string) => `${tag} drawn`,
  openPhotoOf: (label: string) => (label ? `Open the photo: ${label}` : "Open the photo"),

  calibration: "Can its probabilities be believed?",
  calibrated: (ece: number, chance: number) => {
    const verdict = ece <= 1.5 * chance ? "no more than chance explains" : "more than chance explains";
    const least = Math.round(100 * chance);
    return `Stated probabilities are off by ${points(ece)} on average. A perfectly calibrated model would show ${least} on so few: ${verdict}.`;
  },
  calibrationOfBoxes: (overlap: number) =>
    `Counted are found boxes with a score of 10 % or more; right is what overlaps by ${common.percent(overlap)}.`,
  noCalibration: "No box was found with a score of 10 % or more.",
  stated: "Stated probability",
  wasRight: "Was right",
  ideal: "Perfectly calibrated",
  before: "Before calibration",
  after: "After calibration",
  binSaid: (stated: number, right: number) =>
    `Of predictions that stated ${common.percent(stated)}, ${common.percent(right)} were right`,
  scores: (ece: number, brier: number, nll: number) =>
    `Calibration error (ECE) ${common.percent(ece, 1)}, Brier score ${brier.toFixed(3)}, log loss ${nll.toFixed(3)}.`,

  learning: "Would more photos help?",
  learnedFrom: "Photos learned from",
  learnedRight: "Held-out photos right",
  learnedMap: "mAP at overlap 50 %",
  foldsRange: "Worst to best fold",
  learningGain: "Gained from half of the photos to all",
  gain: (value: number, low: number | null, high: number | null) => {
    const signed = (share: number): string => {
      const rounded = Math.round(100 * Math.abs(share));
      return rounded === 0 ? "0" : `${share < 0 ? "−" : "+"}${rounded}`;
    };
    return low === null || high === null ? `${signed(value)} points` : `${signed(value)} points (${signed(low)} to ${signed(high)})`;
  },
  tooFew: "too few photos to halve",
  doubling: (low: number, high: number) =>
    `Twice the photos would likely add ${Math.round(100 * low)} to ${points(high)}.`,

  byOverlap: "How exact are the boxes?",
  byOverlapNote: "The mean average precision falls as more overlap is asked for.",
  overlapAsked: "Overlap that is asked for",
  meanAveragePrecision: "Mean average precision",
  cocoNote: "COCO's figure is the mean of 50 to 95 %.",

  faults: "What went wrong",
  fault: {
    missed: "Missed",
    nothing_there: "Nothing there",
    wrong_tag: "Wrong tag",
    misplaced: "Overlaps too little",
    duplicate: "Found twice",
  },
  faultHint: {
    missed: "A drawn box for which none was found",
    nothing_there: "A found box where nothing is drawn",
    wrong_tag: "A found box on a drawn one of another tag",
    misplaced: "A found box that overlaps a drawn one of its tag too little",
    duplicate: "A found box on a drawn one that another box has found",
  },
  faultsNote: (correct: number, images: number, empty: number) =>
    `${common.number(correct)} of ${photos(images)} right in every box.` +
    (empty ? ` ${photos(empty)} without a box.` : ""),

  scenes: "Accuracy on new scenes",
  scenesHint: (scenes: number) => `photos unlike those learned from: ${counted(scenes, "scene")}`,

  wrongTags: "Likely wrong tags",
  wrongTagsNote:
    "A model that had not seen these photos contradicts their tags with confidence. A corrected tag is worth more than a new photo.",
  wrongBoxes: "Boxes to check",
  wrongBoxesNote:
    "A model that had not seen these photos is sure of something else than what is drawn: an object without a box, another tag, or another place.",
  noneWrong: "None found.",
  allFixed: "All of them are fixed or checked. Train again for the model to learn from it.",
  leftToCheck: (open: number, dealt: number) =>
    `${common.number(open)} left to check${dealt > 0 ? `, ${common.number(dealt)} dealt with or gone` : ""}.`,
  tagged: (tags: readonly string[]) => (tags.length ? `Tagged ${tags.join(", ")}` : "Without a tag"),
  likely: (tags: readonly string[]) => (tags.length ? `Likely ${tags.join(", ")}` : "Likely none of the tags"),
  give: (tags: readonly string[]) => `Tag as ${tags.join(", ")}`,
  giveNone: "Remove its tags",
  otherTag: "Other tag…",
  keep: "It is right",
  rightTags: "Right tags",
  rightTag: "Right tag",
  saveTags: "Save",
  retagged: "The tags are changed. Train again for the model to learn from it.",
  nowTagged: (tags: readonly string[]) => (tags.length ? `Now tagged ${tags.join(", ")}` : "Now without a tag"),
  problem: {
    missing: (suggested: string) => `Likely a ${suggested} without a box`,
    wrong_tag: (suggested: string, given: string) => `Drawn as ${given}, likely ${suggested}`,
    misplaced: (suggested: string) => `The box of ${suggested} is likely in another place`,
  },
  fixBox: { missing: "Add the box", wrong_tag: "Change the tag", misplaced: "Move the box" },
  boxFixed: "The box is changed.",
  editBoxes: "Edit the boxes",
  showMore: (count: number) => `Show ${count} more`,

  mistakes: "Worst photos",
  mistakesNote: "Confident and wrong first. Choose a photo to open it.",
  boxMistakesNote: "Those with most and surest mistakes first. Choose a photo to open it.",
  noMistakes: "No held-out photo was judged wrong.",
  isTag: (tags: readonly string[]) => (tags.length ? tags.join(", ") : "no tag"),
  takenFor: (tags: readonly string[], probability: number) =>
    `Taken for ${tags.length ? tags.join(", ") : "nothing"}, ${common.percent(probability)}`,
  unsureOf: (tag: string, probability: number) => `Right, but only ${common.percent(probability)} for ${tag}`,
  probabilityOf: (tag: string, probability: number) => `${common.percent(probability)} for ${tag}`,
  moreFaults: (count: number) => `and ${counted(count, "more mistake")}`,
  gone: "The photo was deleted.",
  correctBoxes: (correct: number, boxes: number) => `${common.number(correct)} of ${counted(boxes, "box", "boxes")} found`,
  faultOf: {
    missed: (tag: string) => `${tag} missed`,
    nothing_there: (tag: string) => `${tag} where nothing is drawn`,
    wrong_tag: (tag: string, truth: string) => `${truth} taken for ${tag}`,
    misplaced: (tag: string) => `${tag} overlaps too little`,
    duplicate: (tag: string) => `${tag} found twice`,
  },
  takenForNone: "Taken for none of the tags",
  takenForNoneText: (count: number) =>
    count === 0
      ? "No held-out photo with a tag was taken for none."
      : `To the model, ${photos(count)} with a tag ${count === 1 ? "looks" : "look"} like none of the tags.`,

  ownTest: "Your own test set",
  atReported: (threshold: number) => `At a threshold of ${common.percent(threshold)}.`,
  ownTestNote:
    "Judged by the final model. None of these photos was used to train or to choose anything.",

  validation: "Findings about the photos",
  validationNote: (files: number, used: number) => `${counted(files, "file")} looked at, ${common.number(used)} used.`,
  severity: { error: "Error", warning: "Warning", advice: "Advice" },
  noFindings: "Nothing to say about the photos and tags.",
  excluded: (count: number) => `${photos(count)} set aside`,
  validationReport: "Report about the photos",
  /** Of so many photos, or, where it is not about photos, of so many tags. */
  findingTitle: (expected: string, images: number, tags: number) => {
    const concerned = images > 0 ? photos(images) : tags > 0 ? counted(tags, "tag") : "";
    return `Expected ${expected}.${concerned && ` Not so for ${concerned}.`}`;
  },
  findingOf: (tags: readonly string[], found: string) => [tags.join(", "), found].filter(Boolean).join(": "),
  codeText: (code: string) => code.charAt(0).toUpperCase() + code.slice(1).replaceAll("-", " "),
  noValidation: "Findings about the photos were not kept for this iteration.",

  numbers: "Show the numbers",
};
