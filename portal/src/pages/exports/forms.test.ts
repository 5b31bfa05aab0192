import { expect, test } from "vitest";

import { type Form, type Made, groupsOf, joined } from "./forms";

const form = (platform: string, flavor: string | null): Form => ({ platform, flavor, title: "t", description: "d" });
const made = (platform: string, flavor: string | null): Made => ({
  platform,
  flavor,
  status: "Done",
  downloadUri: "/files/x",
  progress: null,
});

test("forms stay in the server's order, by platform, each with its own export", () => {
  const forms = [form("ONNX", null), form("ONNX", "OnnxInt8"), form("CoreML", null)];
  const groups = groupsOf(forms, [made("ONNX", "OnnxInt8")]);
  expect(groups.map(([platform, states]) => [platform, states.map((one) => one.made !== null)])).toEqual([
    ["ONNX", [false, true]],
    ["CoreML", [false]],
  ]);
});

test("an export under a name of an older program is shown too", () => {
  const groups = groupsOf([form("ONNX", null)], [made("ONNX", "ONNX12")]);
  expect(groups[0]?.[1].map((one) => one.form.title)).toEqual(["t", "ONNX (ONNX12)"]);
});

test("progress belongs to the export of the same platform and flavor", () => {
  const progress = {
    platform: "ONNX",
    flavor: "OnnxInt8",
    status: "Failed",
    error: "It differs.",
    stage: null,
    share: 0,
    secondsLeft: null,
    place: null,
    waitsFor: null,
    secondsUntilStart: null,
  };
  const exports = ([null, "OnnxInt8"] as const).map((flavor) => ({
    platform: "ONNX" as const,
    flavor,
    status: "Failed" as const,
    downloadUri: null,
    newerVersionAvailable: false,
  }));
  expect(joined(exports, [progress]).map((one) => one.progress?.error)).toEqual([undefined, "It differs."]);
});
