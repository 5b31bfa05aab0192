import { expect, test } from "vitest";

import type { Schemas } from "@/api/client";

import { chosenProjects, freeName } from "./search";

function project(name: string, lastModified: string, description = ""): Schemas["ProjectSummary"] {
  const published = [{ publishName: `${name.toLowerCase()}-api`, iterationId: "i", iterationName: "Iteration 1" }];
  return { id: name, name, description, lastModified, published } as Schemas["ProjectSummary"];
}

const PROJECTS = [
  project("Café tables", "2026-01-01"),
  project("Garden", "2026-03-01", "Roses and tulips"),
  project("Roses", "2026-02-01"),
];

test("the last changed comes first", () => {
  expect(chosenProjects(PROJECTS, " ").map(({ name }) => name)).toEqual(["Garden", "Roses", "Café tables"]);
});

test.each([
  ["CAFE", ["Café tables"]],
  ["roses", ["Garden", "Roses"]],
  ["tulips roses", ["Garden"]],
  ["roses-api", ["Roses"]],
  ["nothing", []],
])("%s finds %j", (search, names) => {
  expect(chosenProjects(PROJECTS, search).map(({ name }) => name)).toEqual(names);
});

test("a name that is taken gets a number", () => {
  expect(freeName("Garden", PROJECTS)).toBe("Garden 2");
  expect(freeName("Shop", PROJECTS)).toBe("Shop");
});
