import { expect, test } from "vitest";

import { readTyped } from "./typed";

test("a key is taken without the spaces around it", () => {
  expect(readTyped(" 0af3\n")).toEqual({ key: "0af3" });
});

test("of a printed line with a link the token is taken", () => {
  const line = "Open http://127.0.0.1:8000/#/sign-in/Ab-c_9 (works once, for 24 hours).";
  expect(readTyped(line)).toEqual({ token: "Ab-c_9" });
});

test("what no header can carry is no key", () => {
  expect(readTyped("schlüssel")).toBeNull();
  expect(readTyped("two words")).toBeNull();
  expect(readTyped(" ")).toBeNull();
});
