export const suggested = {
  title: "Suggested",
};
