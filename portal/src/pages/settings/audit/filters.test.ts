import { expect, test } from "vitest";

import { filtersOf, queryOf, withFilter, withoutFilters } from "./filters";

const address = new URLSearchParams("show=audit&action=create_key&since=2026-03-01T08%3A00");

test("the filters are in the address, beside other things", () => {
  expect(filtersOf(address)).toEqual({ action: "create_key", since: "2026-03-01T08:00" });
  expect(withFilter(address, "action", null).toString()).toBe("show=audit&since=2026-03-01T08%3A00");
  expect(withFilter(address, "keyId", "k").get("keyId")).toBe("k");
  expect(withoutFilters(address).toString()).toBe("show=audit");
});

test("times are sent with their offset, and what is no time is not", () => {
  expect(queryOf(filtersOf(address))).toEqual({
    action: "create_key",
    since: new Date("2026-03-01T08:00").toISOString(),
  });
  expect(queryOf({ until: "soon" })).toEqual({});
});
