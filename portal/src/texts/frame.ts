export const frame = {
  comparison: "Comparison",
  opening: "The page is being opened",
  noPageTitle: "Page not found",
};
