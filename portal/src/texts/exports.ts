export const exports_ = {
  title: "Exports",
};
