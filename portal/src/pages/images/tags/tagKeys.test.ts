import { expect, test } from "vitest";

import { TAG_KEYS, assigned, reassigned, tagOfKey } from "./tagKeys";

test("tags keep their keys when others come and go", () => {
  const first = assigned(["a", "b", "c"], {});
  expect(first).toEqual({ a: "1", b: "2", c: "3" });
  expect(assigned(["c", "new"], first)).toEqual({ c: "3", new: "1" });
  expect(tagOfKey(first, "2")).toBe("b");
});

test("after the digits come letters, but not u; and then there are no more", () => {
  const many = Array.from({ length: 50 }, (_, place) => `tag ${place}`);
  const keys = assigned(many, {});
  expect(keys["tag 9"]).toBe("q");
  expect(Object.values(keys)).not.toContain("u");
  expect(Object.keys(keys)).toHaveLength(TAG_KEYS.length);
  expect(tagOfKey(keys, "Q")).toBe("tag 9");
});

test("a key is exchanged with the tag that has it", () => {
  expect(reassigned({ a: "1", b: "2" }, "a", "2")).toEqual({ a: "2", b: "1" });
  expect(reassigned({ b: "2" }, "a", "2")).toEqual({ a: "2" });
  expect(reassigned({ a: "1" }, "a", "x")).toEqual({ a: "x" });
});
