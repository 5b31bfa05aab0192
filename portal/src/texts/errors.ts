export const errors = {
  answered: (status: number, text: string) => `The server answered ${status} ${text}`.trim() + ".",
  unreachable: "The server does not answer. Check that it runs and that you are connected.",
  unknown: "Something went wrong. Try again, and look into the browser's console if it happens again.",
  requestId: (id: string) => `Request ${id}`,
  retry: "Try again",
  crashed: "This page failed to show.",
  reload: "Load it again",
  noPage: "There is no page here.",
  toProjects: "To the projects",
};
