export const photo = {
  title: "Photo",
};
