import { common } from "./common";

const list = new Intl.ListFormat("en", { type: "conjunction" });

export const settings = {
  title: "Settings",
  project: "Project",
  none: "None",
  saved: "The settings are saved.",
  unsaved: "Not saved yet",
  discard: "Discard the changes",
  nameMissing: "A project needs a name.",
  conflict: (theirs: string) =>
    theirs
      ? `While you changed this, it was set to “${theirs}” elsewhere. Which one counts?`
      : "While you changed this, it was emptied elsewhere. Which one counts?",
  keepMine: "Keep mine",
  takeTheirs: "Take the other",
  classificationMeans: {
    Multiclass:
      "The next training learns one tag for each photo. Photos that have several tags keep them. Trained iterations stay as they are.",
    Multilabel:
      "The next training learns each tag by itself, so that a photo can have several, or none. Trained iterations stay as they are.",
  },
  kindStays: (kind: string) =>
    `The domain can change, the kind cannot: this stays a project for ${kind.toLowerCase()}. Make a new project for the other kind.`,
  withdrawn: (domain: string) =>
    `The domain ${domain} of this project is offered no longer. The project can be trained after you choose another one.`,
  changeDomain: "Change",
  domainMeans: (domain: string) =>
    `The next training uses ${domain}. Trained iterations, and the names they are published under, stay as they are.`,
  domainNotExported: (domain: string) => `Iterations of ${domain} cannot be exported.`,
  domainExported: "Iterations that are trained from then on can be exported.",

  exports: "Export",
  exportsTo: (domain: string, platforms: readonly string[]) =>
    `Iterations that are trained with ${domain} can be exported to ${list.format(platforms)}.`,
  exportsNone: (domain: string) =>
    `Iterations that are trained with ${domain} run on this server only. Choose a compact domain and train again to export them to phones and small computers.`,
  toExports: "To the exports",

  usage: {
    title: "Usage",
    text: "What the project has, and may have.",
    serverText: "What all projects have together.",
    projects: "Projects",
    images: "Photos",
    tags: "Tags",
    regions: "Boxes",
    iterations: "Iterations",
    predictions: "Stored predictions",
    keys: "Keys in use",
    bytes: "Disk",
    free: "Free on the disk",
    of: (used: number, limit: number) => `${common.number(used)} of ${common.number(limit)}`,
    megabytes: (bytes: number) =>
      bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`,
  },

  addresses: "For programs",
  addressesText: "What the SDKs and your own programs need, besides a key.",
  projectId: "Project id",
  endpoint: "Endpoint",

  keysText: "Keys that open this project and no other.",

  deletion: "Delete the project",
  deletionText: "All its photos, tags and models are lost. You are told what that is before anything is deleted.",
};
