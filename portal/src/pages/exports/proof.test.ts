import { expect, test } from "vitest";

import { proofOf } from "./proof";

const classifier = {
  images: 21,
  largestDifference: 1.1920928955078125e-7,
  topTagAgreement: 1,
  accuracy: { images: 21, of: "photos trained on", trainedModel: 1, artefact: 0.952 },
  limit: { difference: 0.0001, accuracy: null },
  bytes: 13464287,
  millisecondsPerImage: 46.32,
  runtime: "ONNX Runtime 1.31.1",
  versions: { dahlia: "0.1.0", onnx: "1.23.2" },
};

test("a classifier's proof says how far its answers differ, and on how many photos", () => {
  const { summary, facts } = proofOf(classifier);
  expect(summary).toContain("answers as the trained model does: compared on 21 photos");
  expect(facts).toContainEqual(["Largest difference of a probability", "0.00000012 (allowed: 0.0001)"]);
  expect(facts).toContainEqual(["How often right", "model 100.0 %, file 95.2 %"]);
  expect(facts).toContainEqual(["Judged on", "21 photos that it was trained on"]);
  expect(facts).toContainEqual(["Versions", "dahlia 0.1.0, onnx 1.23.2"]);
  expect(facts.map(([label]) => label)).not.toContain("Boxes matched");
});

test("a detector's proof says how many boxes were matched", () => {
  const document = {
    images: 24,
    boxes: 60,
    boxesReplaced: 2,
    lowestOverlap: 0.9987,
    largestDifference: 0.00002,
    accuracy: { figure: "mean average precision", images: 24, of: "test photos", trainedModel: 0.8, artefact: 0.8 },
    limit: { difference: 0.0001, accuracy: null },
  };
  const { facts } = proofOf(document);
  expect(facts).toContainEqual(["Boxes matched", "58 of 60"]);
  expect(facts).toContainEqual(["Least overlap of a box with its match", "99.9 %"]);
  expect(facts).toContainEqual(["Mean average precision", "model 80.0 %, file 80.0 %"]);
});

test("of 8 bits, the loss of accuracy is bounded, and the difference is not", () => {
  const { summary, facts } = proofOf({ ...classifier, limit: { difference: null, accuracy: 0.01 } });
  expect(summary).toContain("about as often right");
  expect(facts).toContainEqual(["Largest difference of a probability", "0.00000012"]);
  expect(facts).toContainEqual(["How often right", "model 100.0 %, file 95.2 % (allowed loss: 1 %)"]);
});

test("what is missing, or no number, is left out", () => {
  expect(proofOf({ accuracy: { trainedModel: null }, largestDifference: null }).facts).toEqual([]);
});
