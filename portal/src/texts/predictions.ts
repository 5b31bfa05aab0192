export const predictions = {
  title: "Predictions",
};
