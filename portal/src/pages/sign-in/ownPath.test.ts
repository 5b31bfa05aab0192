import { expect, test } from "vitest";

import { ownPath } from "./ownPath";

test("pages are gone back to", () => {
  expect(ownPath("/projects/1/images?show=untagged")).toBe("/projects/1/images?show=untagged");
});

test.each([undefined, "", "//host.example", "/\\host.example", "\\\\host", "https://host.example", "javascript:alert(1)"])(
  "other addresses lead to the first page: %s",
  (wanted) => {
    expect(ownPath(wanted)).toBe("/");
  },
);
