import { expect, test } from "vitest";

import type { Schemas } from "@/api/client";

import { secondsOf, subjectOf } from "./words";

const job = {
  kind: "Export",
  iterationName: "Iteration 2",
  platform: "ONNX",
  flavor: null,
} as Schemas["Job"];

test("a job is called by what it makes", () => {
  expect(subjectOf(job)).toBe("Export: Iteration 2 to ONNX");
  expect(subjectOf({ ...job, flavor: "OnnxInt8" })).toBe("Export: Iteration 2 to ONNX (OnnxInt8)");
  expect(subjectOf({ ...job, kind: "Train", platform: null })).toBe("Training: Iteration 2");
  expect(subjectOf({ ...job, kind: "Import", platform: null, iterationName: null })).toBe("Copy");
});

test("a job takes from its start to its end, and one that never began no time", () => {
  expect(secondsOf({ started: "2026-01-01T00:00:00Z", ended: "2026-01-01T00:01:30Z" })).toBe(90);
  expect(secondsOf({ started: null, ended: "2026-01-01T00:01:30Z" })).toBeNull();
  expect(secondsOf({ started: "2026-01-01T00:00:00Z", ended: null })).toBeNull();
});
