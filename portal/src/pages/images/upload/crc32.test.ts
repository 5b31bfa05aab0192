import { expect, test } from "vitest";

import { crc32 } from "./crc32";

test.each([
  ["", 0],
  ["123456789", 0xcbf43926],
] as const)("the checksum of %j", (text, sum) => {
  expect(crc32(new TextEncoder().encode(text))).toBe(sum);
});
