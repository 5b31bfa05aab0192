import { expect, it } from "vitest";

import { fitting } from "./scaled";

it("keeps proportions, and never enlarges", () => {
  expect(fitting(8000, 4000)).toEqual({ width: 2048, height: 1024 });
  expect(fitting(640, 480)).toEqual({ width: 640, height: 480 });
  expect(fitting(30000, 3, 2048)).toEqual({ width: 2048, height: 1 });
});
