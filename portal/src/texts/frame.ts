export const frame = {
  home: "Dahlia, all projects",
  comparison: "Comparison",
  opening: "The page is being opened",
  noPageTitle: "Page not found",
};
