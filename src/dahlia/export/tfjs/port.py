"""TensorFlow.js: `model.json` and `weights.bin`, made of the frozen graph and opened in Node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dahlia.errors import VerificationError
from dahlia.export.box_answers import BoxAnswers, refused, rule_beside
from dahlia.export.port import LABELS, Batch, Opened, OpenedDetector, Source, read_labels
from dahlia.export.tensorflow.graph import INPUT, OUTPUT, frozen_graph
from dahlia.export.tensorflow.running import reader_of
from dahlia.export.tfjs.graph_model import MODEL, WEIGHTS, write_graph_model
from dahlia.export.tfjs.node import started
from dahlia.export.tfjs.usage import usage

__all__ = ["opened", "opened_detector", "usage", "write"]


def write(folder: Path, source: Source, flavour: str) -> None:
    """Write `model.json` and `weights.bin`; the one flavour is `float32`.

    Raises:
        ExportError: an operation of the network has no TensorFlow.js form.
        TrainingError: the bundle is not whole.
    """
    del flavour
    write_graph_model(folder, frozen_graph(source, source.card.channels), source.card)


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Open it in TensorFlow.js; the labels are those in `model.json`.

    Raises:
        VerificationError: Node or TensorFlow.js is not available, a file is missing or damaged, labels are
            others than those in `labels.txt`; and, when it is run, TensorFlow.js cannot run it.
    """
    model, labels = _checked(folder)
    with started(folder / MODEL) as session:
        if OUTPUT not in session.outputs:
            raise refused(MODEL, f"to answer {OUTPUT}", f"one that answers {', '.join(session.outputs)}")
        yield Opened(lambda pixels: session.ask(_as_taken(model, pixels))[OUTPUT], labels, session.runtime)


@contextmanager
def opened_detector(folder: Path) -> Iterator[OpenedDetector]:
    """The same of a detector.

    Raises:
        VerificationError: see `opened`; or it answers something else than detectors do.
    """
    model, labels = _checked(folder)
    answers = BoxAnswers(MODEL, len(labels), rule_beside(folder))
    with started(folder / MODEL) as session:
        read = reader_of(MODEL, session.outputs, answers)
        yield OpenedDetector(
            lambda pixels: read(session.ask(_as_taken(model, pixels))),
            labels,
            session.runtime,
            _size(folder, model),
        )


def _checked(folder: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What `model.json` says, and the labels."""
    model = _read(folder)
    labels = tuple(model["userDefinedMetadata"]["labels"])
    if labels != read_labels(folder):
        raise VerificationError(
            f"{folder / LABELS} and {MODEL} name other tags, expected the same in the same order: one of "
            "them is of another training. Export again."
        )
    return model, labels


def _as_taken(model: dict[str, Any], pixels: Batch) -> Batch:
    swapped = model["userDefinedMetadata"]["Image.BitmapPixelFormat"] == "Bgr8"
    return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)[..., :: -1 if swapped else 1])


def _size(folder: Path, model: dict[str, Any]) -> int:
    try:
        return int(model["signature"]["inputs"][INPUT]["tensorShape"]["dim"][1]["size"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise _damaged(folder, f"its signature takes no photo of a fixed size ({error})") from error


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
