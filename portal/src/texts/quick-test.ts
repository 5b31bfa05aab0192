export const quickTest = {
  title: "Quick test",
};
