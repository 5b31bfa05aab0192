"""How to run a graph model: in Node, and what to change in a browser."""

from __future__ import annotations

from dahlia.export.port import Usage
from dahlia.export.tensorflow.reading import image_notes
from dahlia.modeling.card import ModelCard

_PACKAGES = "@tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 sharp@0.34"
# Means of areas, as in training: once along the height, once along the width. Each time the axes swap.
_LINES = """\
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
const probabilities = network.predict(photoREVERSE.expandDims()).dataSync();
const best = probabilities.indexOf(Math.max(...probabilities));
console.log(readFileSync('labels.txt', 'utf8').split('\\n')[best], probabilities[best]);
process.exit();"""


def describe(card: ModelCard) -> Usage:
    """The packages are npm's and the lines are JavaScript, to be run as a module: `node photo.mjs`."""
    reverse = ".reverse(2)" if card.channels == "BGR" else ""
    return Usage(
        packages=_PACKAGES,
        lines=_LINES.replace("SIZE", str(card.input.size)).replace("REVERSE", reverse),
        notes=(*image_notes(card), *_notes(reverse)),
    )


def _notes(reverse: str) -> tuple[str, ...]:
    return (
        "Save the lines as `photo.mjs` and run `node photo.mjs` in Node 18 or later; the packages are npm's.",
        "In a browser `await tf.loadGraphModel('model.json')` reads both files, and "
        f"`tf.browser.fromPixels(image){reverse}` gives the pixels of an `<img>`.",
        "`model.json` says in its `userDefinedMetadata` (`network.metadata`) what the `labels` are and, in "
        "`Image.BitmapPixelFormat`, the order of the colours; `@microsoft/customvision-tfjs` reads it there.",
    )
