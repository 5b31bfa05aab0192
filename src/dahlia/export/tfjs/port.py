"""TensorFlow.js: `model.json` and `weights.bin`, opened in Node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dahlia.errors import VerificationError
from dahlia.export.conventions import LABELS, read_labels
from dahlia.export.port import Batch, Opened, Source, Usage
from dahlia.export.tensorflow.port import image_notes
from dahlia.export.tfjs.graph_model import MODEL, WEIGHTS, write_graph_model
from dahlia.export.tfjs.node import Session, started
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


def write(folder: Path, source: Source, flavour: str) -> None:
    """Write `model.json` and `weights.bin`; the one flavour is `float32`.

    Raises:
        ExportError: an operation of the network has no TensorFlow.js form.
        TrainingError: the bundle is not whole.
    """
    from dahlia.export.tensorflow.graph import frozen_graph

    del flavour
    write_graph_model(folder, frozen_graph(source, source.card.channels), source.card)


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Open it in TensorFlow.js; the labels are those in `model.json`.

    Raises:
        VerificationError: Node or TensorFlow.js is not available, a file is missing or damaged, labels are
            others than those in `labels.txt`; and, when it is run, TensorFlow.js cannot run it.
    """
    model = _read(folder)
    about = model["userDefinedMetadata"]
    labels = tuple(about["labels"])
    if labels != read_labels(folder):
        raise VerificationError(
            f"{folder / LABELS} and {MODEL} name other tags, expected the same in the same order: one of "
            "them is of another training. Export again."
        )
    with started(folder / MODEL) as session:
        swapped = about["Image.BitmapPixelFormat"] == "Bgr8"
        yield Opened(lambda pixels: _ask(session, pixels, swapped), labels, session.runtime)


def _ask(session: Session, pixels: Batch, swapped: bool) -> Batch:
    return session.run(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)[..., :: -1 if swapped else 1]))


def _read(folder: Path) -> dict[str, Any]:
    try:
        model: dict[str, Any] = json.loads((folder / MODEL).read_text(encoding="utf-8"))
        size = (folder / WEIGHTS).stat().st_size
        needed = sum(_bytes(spec) for group in model["weightsManifest"] for spec in group["weights"])
        about = model["userDefinedMetadata"]
        missing = {"labels", "Image.BitmapPixelFormat"} - set(about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from error
    if missing:
        raise _damaged(folder, f"its metadata lacks {', '.join(sorted(missing))}")
    if size != needed:
        raise _damaged(folder, f"{WEIGHTS} has {size} bytes, expected {needed}")
    return model


def _bytes(spec: dict[str, Any]) -> int:
    return int(np.prod(spec["shape"], dtype=np.int64)) * (1 if spec["dtype"] == "bool" else 4)


def _damaged(folder: Path, what: str) -> VerificationError:
    return VerificationError(
        f"{folder} was expected to hold a graph model of TensorFlow.js ({MODEL}, {WEIGHTS}): {what}. Export "
        "again."
    )


def usage(card: ModelCard, flavour: str) -> Usage:
    """How to run it in Node, and what to change in a browser.

    The packages are npm's and the lines are JavaScript, to be run as a module: `node photo.mjs`.
    """
    del flavour
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
