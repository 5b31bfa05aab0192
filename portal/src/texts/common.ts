const plurals = new Intl.PluralRules("en");
const numbers = new Intl.NumberFormat("en");

/** `1 photo`, `2 photos`, `12,000 photos`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${numbers.format(count)} ${plurals.select(count) === "one" ? one : many}`;
}

export const common = {
  product: "Dahlia",
  home: "Dahlia, projects",
  cancel: "Cancel",
  close: "Close",
  save: "Save",
  delete: "Delete",
  loading: "Loading",
  api: "API",
  signOut: "Sign out",
  projects: "Projects",
  activity: "Activity",
  server: "Server",
  navigation: "Pages of the project",
  skip: "Skip to the content",
  colours: "Switch between light and dark",
  menu: "Menu",
  probabilities: "Tags by probability",
  unsaved: {
    title: "Leave without saving?",
    text: "What you changed on this page is not saved yet.",
    leave: "Leave",
    stay: "Stay",
  },
  lost: "The connection to the server is lost. It is tried again; what you typed stays.",
  found: "The server answers again.",
  number: (value: number) => numbers.format(value),
  percent: (share: number, digits = 0) => `${(share * 100).toFixed(digits)} %`,
  date: (text: string) => new Date(text).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" }),
  duration: (seconds: number) =>
    seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`,
};
