import { counted } from "./common";

export const projects = {
  title: "Projects",
  searchLabel: "Search projects",
  searchHint: "Name, description or published name",
  found: (shown: number, all: number) => `${counted(shown, "project")} of ${all}`,
  noneFound: "No project fits the search.",
  clearSearch: "Clear the search",
  more: "Show more projects",
  loadingMore: "Loading more projects",
  actions: (name: string) => `More about ${name}`,
  open: (name: string) => `Open ${name}`,
  noPhotos: "No photos yet",
  importing: "Being copied",
  failed: "The copy failed",
  training: "Training",
  counts: (images: number, tags: number) => `${counted(images, "photo")}, ${counted(tags, "tag")}`,
  untagged: (count: number) => `${counted(count, "photo")} without a tag`,
  notTrained: "Not trained yet",
  trainedAs: (iteration: string) => `Trained (${iteration})`,
  accuracy: (share: string, iteration: string) => `${share} right (${iteration})`,
  averagePrecision: (share: string, iteration: string) => `${share} average precision (${iteration})`,
  accuracyExplained: "Share of photos, held back while learning, that the model judged right.",
  averagePrecisionExplained:
    "How well the found boxes agree with yours, on photos held back while learning: 100 % is perfect.",
  published: "Published",
  settings: "Settings",

  kinds: {
    Classification: {
      name: "What a photo shows",
      short: "Classification",
      text: "The model names what a whole photo shows: a rose or a tulip, a good part or a broken one.",
    },
    ObjectDetection: {
      name: "Where things are in a photo",
      short: "Detection",
      text: "The model finds things, draws a box around each and counts them. You draw boxes on your photos.",
    },
  },
  classifications: {
    Multiclass: {
      name: "One tag for each photo",
      text: "A photo is a rose or a tulip, never both.",
    },
    Multilabel: {
      name: "Several tags for a photo",
      text: "A photo may show a cat and a dog, only one of them, or neither.",
    },
  },

  create: "New project",
  createTitle: "New project",
  createButton: "Create the project",
  created: (name: string) => `${name} is made.`,
  name: "Name",
  description: "Description",
  descriptionHint: "What it is for, for those who open it later",
  kind: "What should it tell?",
  classification: "How many tags can a photo have?",
  domain: "Domain",
  domainHint: "What your photos look like, and where the model will run. It can be changed later.",
  exportable: "can be exported",
  exportableOf: (megabytes: number) => `can be exported, about ${megabytes} MB`,
  nameMissing: "Give the project a name.",

  copy: "Copy",
  copyTitle: (name: string) => `Copy ${name}`,
  copyText:
    "The copy has all photos, tags, boxes and trained iterations of now. Published names stay with the original.",
  copyHolds: (images: number, tags: number, iterations: number) =>
    `${counted(images, "photo")}, ${counted(tags, "tag")}, ${counted(iterations, "iteration")}`,
  copyName: "Name of the copy",
  copyButton: "Make the copy",
  copyOf: (name: string) => `${name} (copy)`,
  copyBegun: (name: string) => `${name} is being made.`,

  delete: "Delete",
  deleteTitle: (name: string) => `Delete ${name}?`,
  deleteText: "This is lost for good:",
  deletePhotos: (count: number) => counted(count, "photo"),
  deleteTags: (count: number) => counted(count, "tag"),
  deleteRegions: (count: number) => counted(count, "box", "boxes"),
  deleteIterations: (count: number) => `${counted(count, "iteration")} with models and figures`,
  deletePredictions: (count: number) => counted(count, "stored prediction"),
  deletePublished: (names: string) =>
    `The published names ${names}: programs that ask for predictions by them will be refused from then on.`,
  deleteTraining: "A training is under way; it is called off.",
  deleteConfirm: (name: string) => `Type “${name}” to confirm`,
  deleteButton: "Delete the project",
  deleted: (name: string) => `${name} is deleted.`,

  firstTitle: "Teach a computer to see what you see",
  firstText: "No code is needed, and your photos stay on this server. It takes three steps:",
  steps: [
    {
      title: "Create a project",
      text: "Give it a name, and say whether photos as a whole or things in them are to be told apart.",
    },
    {
      title: "Add photos",
      text: "Drop your photos and say what each one shows. Fifteen of each thing are a good start.",
    },
    {
      title: "Train and use it",
      text: "Press a button. Half a minute later the model says how often it is right, and looks at new photos.",
    },
  ],
  sample: "Try it with the garden",
  sampleText: "A project with drawn photos of flowers and their tags, ready to be trained.",
  sampleHint: "Drawn photos of flowers with their tags, ready to be trained. You can delete them later.",
  sampleName: "Garden",
  sampleDescription: "A sample: drawn photos of flowers",
  sampleMaking: "The photos are being drawn. This takes some ten seconds.",
  sampleReady: (name: string) => `The sample project ${name} is ready.`,
  sampleAdded: (images: number) => `${counted(images, "drawn photo")} added.`,
  firstReadOnly: "There is no project yet. Your key may only look at projects: ask for one that may make them.",
};
