import { common, counted } from "./common";

const photos = (count: number): string => counted(count, "photo");
const KB = 1024;
const MB = KB * KB;
const size = (bytes: number): string =>
  bytes < MB ? `${Math.ceil(bytes / KB)} KB` : `${(bytes / MB).toFixed(bytes < 10 * MB ? 1 : 0)} MB`;

export const upload = {
  add: "Add photos",
  addFiles: "Photos or zip files…",
  addFolder: "A folder…",
  more: "Other ways to add photos",
  drop: "Drop photos, folders or zip files here",
  looking: "Looking at what you dropped…",
  pasted: "pasted photo.png",

  dialog: "Add photos",
  ready: (count: number, bytes: number) => `${photos(count)}, ${size(bytes)}`,
  nothing: "There is no photo among them.",
  tags: "Tags for all of them",
  tag: "Tag for all of them",
  tagsHint: "Optional. You can tag them later too.",
  byFolder: "Use the names of the folders as tags",
  folder: (name: string, count: number) => `${name} (${photos(count)})`,
  willShrink: (count: number, most: number) =>
    `${photos(count)} ${count === 1 ? "is" : "are"} larger than ${size(most)}; they will be made smaller before they are sent.`,
  leftOut: (count: number) => `${counted(count, "file")} will be left out`,
  start: (count: number) => `Add ${photos(count)}`,

  title: "Upload",
  running: (done: number, of: number) => `${common.number(done)} of ${photos(of)}`,
  rate: (bytesPerSecond: number) => `${(bytesPerSecond / 1024 / 1024).toFixed(1)} MB/s`,
  timeLeft: (seconds: number) => `${common.duration(seconds)} left`,
  pause: "Pause",
  resume: "Go on",
  cancel: "Cancel",
  paused: "Paused.",
  done: "The upload is done.",
  lost: "The server does not answer. The upload goes on as soon as it does.",
  added: (count: number) => `${photos(count)} added.`,
  duplicates: (count: number) => `${photos(count)} were there already.`.replace(/^1 photo were/, "1 photo was"),
  shrunk: (count: number) => `${photos(count)} made smaller to fit.`,
  refused: (count: number) => `${counted(count, "file")} not taken.`,
  failed: (count: number) => `${photos(count)} not sent.`,
  cancelled: (count: number) => `${photos(count)} cancelled.`,
  retry: "Try again",
  details: "Details",
  close: "Close the summary",
  file: "File",
  reason: "Why",
  interrupted: (done: number, of: number) =>
    `The page was closed while it sent ${photos(of)}; ${common.number(done)} had arrived. ` +
    "Add the same photos again: those that are there are not added twice.",
  isDuplicate: "The project has this photo already; it got the tags that you chose.",
  andMore: (count: number) => `and ${common.number(count)} more`,

  notPicture: "This is not a photo. Use JPEG, PNG, BMP, GIF, WebP, TIFF, HEIC or AVIF.",
  tooLarge: (most: number) =>
    `The photo is larger than ${size(most)}, and the browser cannot make it smaller. Save it as a smaller JPEG.`,
  tooLargeToRead: (most: number) => `The photo is larger than ${size(most)}. Save it as a smaller JPEG.`,
  unreadable: (why: string) => `The file could not be read: ${why}`,
  zipBroken: "The zip file is damaged or not complete. Make it again, or add the photos themselves.",
  zipLocked: "The file has a password in the zip file. Make the zip file without a password.",
  zipMethod: "The file is compressed in a way that browsers cannot read. Make the zip file with usual compression.",
  zipTooMany: (most: number) => `The zip file lists more than ${common.number(most)} files. Split it.`,
  zipOutside: "The zip file puts this file outside of its own folder. Make the zip file again.",
  zipForged: "The zip file is forged: its files claim to hold more than the whole. Nothing was read from it.",
  zipEmpty: "There is no photo in the zip file.",
  reasons: {
    OK: "",
    OKDuplicate: "The project has this photo already.",
    ErrorSource: "The photo could not be read.",
    ErrorImageFormat: "This is not a photo, or a damaged one. Use JPEG, PNG, BMP, GIF, WebP, TIFF, HEIC or AVIF.",
    ErrorImageSize: "The photo is too large. Save it smaller.",
    ErrorStorage: "The server could not store the photo. Try again later.",
    ErrorLimitExceed: "The project is full. Delete photos that are not needed.",
    ErrorTagLimitExceed: "The photo would have more tags than it may.",
    ErrorRegionLimitExceed: "The photo would have more boxes than it may.",
    ErrorUnknown: "The server could not take the photo. Try again.",
    ErrorNegativeAndRegularTagOnSameImage:
      "The project has this photo with other tags; it cannot be Negative and have a tag. Tag it in the grid.",
    ErrorImageDimensions: "The photo has too many pixels, or is too long and narrow. Crop it or save it smaller.",
    ErrorInvalidTag: "The tag is no more. Choose another one.",
  },
};
