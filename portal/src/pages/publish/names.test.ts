import { expect, it } from "vitest";

import { faultOf, suggestionsOf } from "./names";

it("takes what the server takes", () => {
  for (const name of ["production", "my model 2", "Größe", "a.b/c", "..."]) expect(faultOf(name)).toBeNull();
});

it("says what is wrong with a name", () => {
  expect(faultOf("")).toBe("empty");
  expect(faultOf(" live")).toBe("spaces");
  expect(faultOf("..")).toBe("dots");
  expect(faultOf("x".repeat(129))).toBe("long");
  expect(faultOf("a\u0007b")).toBe("unprintable");
  expect(faultOf("a\u00a0b")).toBe("unprintable");
});

it("suggests the names in use first, each once", () => {
  expect(suggestionsOf(["shop", "live"]).slice(0, 3)).toEqual(["shop", "live", "production"]);
});
