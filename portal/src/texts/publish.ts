export const publish = {
  title: "Publish",
};
