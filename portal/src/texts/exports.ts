import { common, counted } from "./common";

const small = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
const photos = (count: number): string => counted(count, "photo");

export const exports_ = {
  title: "Exports",
  intro:
    "An export is a zip file with the model, its tags and a README. It runs without this server, and every file is compared with the trained model before you get it.",
  untrained: "There is nothing to export yet",
  untrainedText: "Train the project first. Then its model can be taken to phones, browsers and other computers.",
  train: "To training",
  iteration: "Iteration",
  served: (domain: string) => `${domain} is not exported`,
  servedText:
    "Iterations of this domain run on this server only. Change the domain in the settings to a compact one, then train once more: photos and tags stay as they are.",
  servedBefore: (domain: string) =>
    `This iteration was trained with the domain ${domain}, which runs on this server only. The project has the compact domain by now: train once more, and export that iteration.`,
  settings: "To the settings",
  readOnly: "Your key may only look: it downloads what is exported. To export, sign in with a training key.",
  platforms: {
    ONNX: "ONNX",
    CoreML: "Core ML, for Apple",
    TensorFlow: "TensorFlow",
    OpenVino: "OpenVINO, for Intel",
    DockerFile: "Docker",
  } as Record<string, string>,
  form: (platform: string, flavor: string | null) => (flavor ? `${platform} (${flavor})` : platform),
  unnamedForm: "Asked for by a program, under a name that programs use.",
  export: "Export",
  exportOf: (title: string) => `Export: ${title}`,
  retry: "Try again",
  retryOf: (title: string) => `Try again: ${title}`,
  download: "Download",
  downloadOf: (title: string) => `Download: ${title}`,
  progressOf: (title: string) => `Progress: ${title}`,
  ready: "Ready",
  failed: "Failed",
  checked: (images: number) => `It answers as the trained model does: compared on ${photos(images)}.`,
  lossy: (images: number) => `It is about as often right as the trained model: compared on ${photos(images)}.`,
  size: (bytes: number) => `${small.format(bytes / 1e6)} MB`,
  showProof: "Show the proof",
  hideProof: "Hide the proof",
  proofOf: (title: string) => `Proof: ${title}`,
  noProof: "The proof could not be read.",

  photos: "Photos compared",
  largest: "Largest difference of a probability",
  upTo: (value: number, limit: number | null) =>
    limit === null ? small.format(value) : `${small.format(value)} (allowed: ${small.format(limit)})`,
  agreement: "Same first tag",
  onPhotos: (share: number) => `${common.percent(share)} of the photos`,
  boxes: "Boxes matched",
  matched: (matched: number, all: number) => `${common.number(matched)} of ${common.number(all)}`,
  overlap: "Least overlap of a box with its match",
  accuracy: "How often right",
  meanPrecision: "Mean average precision",
  before: (model: number, file: number, loss: number | null) =>
    `model ${common.percent(model, 1)}, file ${common.percent(file, 1)}` +
    (loss === null ? "" : ` (allowed loss: ${common.percent(loss)})`),
  judgedOn: {
    "test photos": (count: number) => `${photos(count)} of your test set`,
    "photos trained on": (count: number) => `${photos(count)} that it was trained on`,
  } as Record<string, (count: number) => string>,
  accuracyOn: "Judged on",
  time: "Time for a photo",
  timeWith: (milliseconds: number, runtime: string) => `${small.format(milliseconds)} ms on this server, with ${runtime}`,
  fileSize: "Size",
  versions: "Versions",
};
