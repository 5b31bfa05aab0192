export const signIn = {
  title: "Sign in",
  explain: "Enter a training key. `dahlia serve` printed one at its first start; `dahlia keys create` makes others.",
  key: "Key",
  button: "Sign in",
  keptUntil: "The key is kept until you close this tab.",
};
