export const signIn = {
  title: "Sign in",
  key: "Key or sign-in link",
  keyHint: "A key of scope admin, training or read; or the whole line that a command printed.",
  noKey:
    "No key? On the server's machine, “dahlia keys link” prints a link that signs you in once, and “dahlia keys create” makes a key.",
  button: "Sign in",
  keptUntil: "The key is kept until you close this tab.",
  checking: "Signing in…",
  refused: "The server takes the key of this tab no longer: it was revoked, or it has ended. Sign in again.",
  alreadySignedIn: "You are signed in: to the projects",
  unreadable:
    "Expected a key, or a link with /#/sign-in/ in it, received other characters. Copy the key once more, without spaces.",
  predictionKey: (name: string) =>
    `Expected a key of scope admin, training or read, received “${name}” of scope prediction, which asks published models only. Use another key.`,
};
