"""What the README of a TensorFlow.js export says: JavaScript for Node, and what to change in a browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Literal

from dahlia.export.port import Usage, detector_of
from dahlia.export.tensorflow.detector_usage import SHOWN, box_notes
from dahlia.export.tensorflow.graph import BOXES, CLASSES, SCORES
from dahlia.export.tensorflow.port import image_notes
from dahlia.kinds import Kind
from dahlia.modeling.card import DetectorCard, ModelCard
from dahlia.modeling.detection.grid import ANCHORS

_PACKAGES = "@tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 sharp@0.34"
# Means of areas, as in training: once along the height, once along the width. Each time the axes swap.
_PHOTO = """\
// JavaScript
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import sharp from 'sharp';

await tf.setBackend('wasm');
const { weightsManifest: [{ weights }], ...model } = JSON.parse(readFileSync('model.json'));
const weightData = new Uint8Array(readFileSync('weights.bin')).buffer;
const network = await tf.loadGraphModel(tf.io.fromMemory({ ...model, weightSpecs: weights, weightData }));

const range = (length) => Array.from({ length }, (_, index) => index);
const overlap = (i, j, step) => Math.max(0, Math.min((i + 1) * step, j + 1) - Math.max(i * step, j)) / step;
const squash = (x) => tf.matMul(
  tf.tensor2d(range(SIZE).map((i) => range(x.shape[0]).map((j) => overlap(i, j, x.shape[0] / SIZE)))),
  x.reshape([x.shape[0], -1])).reshape([SIZE, x.shape[1], 3]).transpose([1, 0, 2]);

const file = sharp('photo.jpg').rotate().toColourspace('srgb').removeAlpha().raw();
const { data, info } = await file.toBuffer({ resolveWithObject: true });
const photo = squash(squash(tf.tensor3d(new Float32Array(data), [info.height, info.width, 3]))).round();
"""
_BEST = """\
const probabilities = network.predict(photoREVERSE.expandDims()).dataSync();
const best = probabilities.indexOf(Math.max(...probabilities));
console.log(readFileSync('labels.txt', 'utf8').split('\\n')[best], probabilities[best]);
process.exit();"""
_BOXES = """\
const answers = await network.executeAsync(photoREVERSE.expandDims(), NAMES);
const [boxes, scores, classes] = answers.map((answer) => answer.arraySync());
const tags = readFileSync('labels.txt', 'utf8').split('\\n');
scores.forEach((score, i) => {
  const size = [info.width, info.height];
  const [left, top, right, bottom] = boxes[i].map((edge, axis) => edge * size[axis % 2]);
  const place = [left, top, right - left, bottom - top].map(Math.round);
  if (score >= SHOWN) console.log(tags[classes[i]], score.toFixed(3), ...place);
});
process.exit();"""
_GRID = """\
const grid = network.predict(photoREVERSE.expandDims());
const tags = readFileSync('labels.txt', 'utf8').split('\\n');
const [, rows, columns] = grid.shape;
const anchors = ANCHORS;
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const found = grid.reshape([-1, anchors.length, 5 + tags.length]).arraySync().flatMap((cell, number) =>
  cell.flatMap(([x, y, w, h, objectness, ...logits], anchor) => {
    const width = Math.exp(w) * anchors[anchor][0] / columns * info.width;
    const height = Math.exp(h) * anchors[anchor][1] / rows * info.height;
    const left = (sigmoid(x) + number % columns) / columns * info.width - width / 2;
    const top = (sigmoid(y) + Math.floor(number / columns)) / rows * info.height - height / 2;
    const all = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
    return logits.map((logit, tag) => {
      return { tag, score: sigmoid(objectness) * Math.exp(logit) / all, place: [left, top, width, height] };
    });
  }));
const shared = ([l, t, w, h], [left, top, width, height]) => {
  const across = Math.max(0, Math.min(l + w, left + width) - Math.max(l, left));
  const both = across * Math.max(0, Math.min(t + h, top + height) - Math.max(t, top));
  return both / (w * h + width * height - both);
};
const kept = [];
for (const one of found.filter(({ score }) => score >= SHOWN).sort((a, b) => b.score - a.score)) {
  if (kept.some(({ tag, place }) => tag === one.tag && shared(place, one.place) > OVERLAP)) continue;
  kept.push(one);
  console.log(tags[one.tag], one.score.toFixed(3), ...one.place.map(Math.round));
}
process.exit();"""


def usage(card: ModelCard, flavour: str) -> Usage:
    """How to run it in Node, and what to change in a browser.

    The packages are npm's and the lines are JavaScript, to be run as a module: `node photo.mjs`.
    """
    del flavour
    lines, notes = _KINDS[card.kind](card)
    reverse = ".reverse(2)" if card.channels == "BGR" else ""
    return Usage(
        packages=_PACKAGES,
        lines=(_PHOTO + lines).replace("SIZE", str(card.input.size)).replace("REVERSE", reverse),
        notes=(*notes, *_notes(reverse)),
    )


def _classifier(card: ModelCard) -> tuple[str, tuple[str, ...]]:
    return _BEST, image_notes(card)


def _detector(card: ModelCard) -> tuple[str, tuple[str, ...]]:
    detector = detector_of(card)
    lines = _READINGS[detector.output](detector).replace("SHOWN", str(SHOWN))
    return lines, box_notes(card, "int32")


def _boxes(detector: DetectorCard) -> str:
    del detector
    return _BOXES.replace("NAMES", json.dumps([BOXES, SCORES, CLASSES]).replace('"', "'"))


def _grid(detector: DetectorCard) -> str:
    return _GRID.replace("ANCHORS", json.dumps(ANCHORS)).replace("OVERLAP", f"{detector.overlap:g}")


_KINDS: dict[Kind, Callable[[ModelCard], tuple[str, tuple[str, ...]]]] = {
    "multiclass": _classifier,
    "multilabel": _classifier,
    "detection": _detector,
}
_READINGS: dict[Literal["grid", "boxes"], Callable[[DetectorCard], str]] = {"grid": _grid, "boxes": _boxes}


def _notes(reverse: str) -> tuple[str, ...]:
    return (
        "Save the lines as `photo.mjs` and run `node photo.mjs` in Node 18 or later; the packages are npm's.",
        "In a browser `await tf.loadGraphModel('model.json')` reads both files, and "
        f"`tf.browser.fromPixels(image){reverse}` gives the pixels of an `<img>`.",
        "`model.json` says in its `userDefinedMetadata` (`network.metadata`) what the `labels` are and, in "
        "`Image.BitmapPixelFormat`, the order of the colours; `@microsoft/customvision-tfjs` reads it there.",
    )
