import { counted } from "./common";

export const images = {
  title: "Images",
  tag: "Tag",
  tags: "Tags",
  noTags: "No tags",
  findOrMakeTag: (creatable: boolean) => (creatable ? "Find a tag, or type a new one" : "Find a tag"),
  makeTag: (name: string) => `Make the tag “${name}”`,
  leaveOut: (name: string) => `Leave out ${name}`,
  photoAt: (place: number, label: string) => `Photo ${place}${label ? `, ${label}` : ""}`,
  photos: (count: number) => counted(count, "photo"),
};
