// @vitest-environment jsdom
import { describe, expect, it } from "vitest";

import { documentTitle, placeOf } from "./place";

const project = { id: "project", params: { projectId: "a" }, handle: undefined };

describe("placeOf", () => {
  it("takes the title that is nearest to the page", () => {
    const page = { id: "images", params: { projectId: "a" }, handle: { title: "Images" } };
    expect(placeOf([project, page])).toEqual({ page: "images a", title: "Images", projectId: "a" });
    expect(placeOf([{ ...project, handle: { title: "Project" } }, { ...page, handle: undefined }]).title).toBe("Project");
  });

  it("is the same page for another photo, another page for another project", () => {
    const photo = (projectId: string, imageId: string) =>
      placeOf([{ id: "photo", params: { projectId, imageId }, handle: { title: "Photo" } }]).page;
    expect(photo("a", "1")).toBe(photo("a", "2"));
    expect(photo("a", "1")).not.toBe(photo("b", "1"));
  });

  it("has neither title nor project where no route matches", () => {
    expect(placeOf([])).toEqual({ page: " ", title: "", projectId: null });
  });
});

describe("documentTitle", () => {
  it("leaves out what is not known", () => {
    expect(documentTitle("Images", "Garden")).toBe("Images · Garden · Dahlia");
    expect(documentTitle("Projects", undefined)).toBe("Projects · Dahlia");
  });
});
