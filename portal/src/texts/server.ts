import { common, counted } from "./common";

const parts = (name: string): string => {
  const words = name.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`).replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};

const ID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

/** Of an id the beginning, which tells one from another. */
const short = (value: unknown): string => {
  const text = String(value);
  return ID.test(text) ? `${text.slice(0, 8)}…` : text;
};

export const server = {
  title: "Server",
  parts: { about: "About", keys: "Keys", audit: "Audit log" },
  navigation: "Parts of this page",

  about: {
    server: "This server",
    version: "Version",
    time: "Its clock",
    state: "State",
    works: "All functions work.",
    warnings: "Some functions are off:",
    urls: "Photos by address",
    urlFetch: (mode: string) =>
      ({
        public: "fetched from public addresses",
        any: "fetched from any address, this network's too",
        off: "not fetched: send the photos themselves",
      })[mode] ?? mode,
    docs: "Documentation of the API",
    queue: "Queue",
    queueText: "Trainings, exports and copies of projects wait here. Quick ones have workers of their own.",
    lanes: { Short: "Short jobs", Long: "Long jobs", All: "All jobs" },
    lane: (workers: number, running: number, waiting: number) =>
      `${counted(workers, "worker")}, ${counted(running, "job")} running, ${common.number(waiting)} waiting`,
    noWorker: "No worker runs: nothing is trained or exported. “dahlia worker” starts one.",
    workers: "Workers",
    worker: (seen: string) => `last heard of ${seen}`,
    idle: "idle",
    busy: "at work",
    toActivity: "All jobs",
    limits: "Limits",
    limitsText: "Of each request and project. The server's settings change them.",
    limit: (name: string) =>
      ({
        projects: "Projects",
        imagesPerProject: "Photos of a project",
        tagsPerProject: "Tags of a project",
        iterationsPerProject: "Iterations of a project",
        minTags: "Tags that a training needs",
        minImagesPerTag: "Photos of each tag that a training needs",
        minBoxedImagesPerTag: "Photos with boxes of each tag that a training needs",
        maxImageMb: "Size of a photo (MB)",
        maxPredictionMb: "Size of a photo in a prediction (MB)",
        maxBodyMb: "Size of a request (MB)",
        maxEdge: "Pixels of a photo's longer side",
        maxAspect: "Longer side of a photo to the shorter",
        regionsPerImage: "Boxes of a photo",
        tagsPerImage: "Tags of a photo",
        batchImages: "Photos of a request",
        batchTags: "Tags of a request",
        batchRegions: "Boxes of a request",
        readIds: "Ids of a request that reads",
        page: "Results of a page",
        suggestions: "Suggestions of a request",
        deleteImages: "Photos of a request that deletes",
        deletePredictions: "Predictions of a request that deletes",
        queryTags: "Tags of a query",
        metadataPairs: "Metadata of a photo",
        metadataKey: "Characters of a metadata key",
        metadataValue: "Characters of a metadata value",
      })[name] ?? parts(name),
  },

  keys: {
    title: "Keys",
    text: "Programs and people send a key with each request. It says what they may do.",
    list: "Keys",
    none: "There is no key in use.",
    noneOfProject: "No key is restricted to this project. Keys for all projects open it too.",
    withEnded: "Show ended keys too",
    all: "All keys of this server",
    own: "this tab",
    endsIn: (hint: string) => `…${hint}`,
    allProjects: "All projects",
    unknownProject: (id: string) => `Deleted project ${id.slice(0, 8)}`,
    createdAt: (date: string) => `made ${date}`,
    expiresAt: (date: string) => `ends ${date}`,
    expiredAt: (date: string) => `ended ${date}`,
    revokedAt: (date: string) => `revoked ${date}`,
    scopes: {
      admin: { name: "Admin", text: "Everything, keys and the audit log too." },
      training: { name: "Training", text: "All of projects: photos, tags, training, publishing, export." },
      prediction: { name: "Prediction", text: "Asks published models, and nothing else. For apps and websites." },
      read: { name: "Read", text: "Sees projects, and changes nothing." },
    },
    create: "New key",
    createTitle: "New key",
    createButton: "Make the key",
    name: "Name",
    nameHint: "Who or what will use it. You know it by this name in the list and in the audit log.",
    scope: "What may it do?",
    project: "For which project?",
    projectHint: "A key for one project opens no other.",
    projectAdmin: "Admin keys are for all projects.",
    lifetime: "How long is it good?",
    lifetimes: {
      forever: "Until it is revoked",
      year: "A year",
      quarter: "90 days",
      month: "30 days",
      day: "A day",
      own: "As long as your own key",
    },
    ownEnds: (date: string) =>
      `Your own key ends ${date}; it makes no key that lives longer. “dahlia keys create”, on the server's machine, does.`,
    madeTitle: "The new key",
    once: "Copy the key now: it is shown only this once, and the server does not keep it.",
    keyOf: (name: string) => `Key “${name}”`,
    copied: "I have copied it",
    rotate: "Rotate",
    rotateTitle: (name: string) => `Rotate “${name}”?`,
    rotateText: "A new key takes its place, with the same name and rights. Programs that send the old one are refused at once.",
    rotateOwn:
      "This is the key of this tab, which goes on with the new one. Others that send the old one are refused at once.",
    revoke: "Revoke",
    revokeTitle: (name: string) => `Revoke “${name}”?`,
    revokeText: "Requests with this key are refused at once. This cannot be undone; you can make another key.",
    revokeOwn: "This is the key of this tab: you are signed out. This cannot be undone.",
    revoked: (name: string) => `“${name}” is revoked.`,
  },

  audit: {
    text: "Who changed what and when, the newest first. Who only looked is not listed.",
    list: "Changes",
    none: "No change fits these filters.",
    project: "Project",
    key: "Key",
    action: "Action",
    since: "From",
    until: "Until",
    anyProject: "Any project",
    anyKey: "Any key",
    anyAction: "Any action",
    clear: "Clear the filters",
    more: "Show older changes",
    operator: "The server",
    operatorHint: "A command on the server's machine, or a worker",
    request: (id: string) => `Request ${id}`,
    ofProject: "Changes of this project",
    name: parts,
    value: (value: unknown): string => {
      if (Array.isArray(value)) return value.map(short).join(", ");
      return typeof value === "object" ? JSON.stringify(value) : short(value);
    },
  },
};
