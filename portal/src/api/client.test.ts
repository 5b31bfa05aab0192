// @vitest-environment jsdom
import { expect, test } from "vitest";

import { pathOf } from "./client";
import { ApiError } from "./errors";

test("values are written into the path", () => {
  expect(pathOf("/projects/{id}/tags", { id: "a b/c" })).toBe("/projects/a%20b%2Fc/tags");
});

test.each([".", "..", "%2e%2E", "%2e", ".%2e"])("a segment that climbs is no page: %s", (id) => {
  expect(() => pathOf("/projects/{id}/tags", { id })).toThrow(ApiError);
});
