"""Core ML as a port: four flavours of files, opened in Core ML on macOS and in an interpreter elsewhere."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from threadpoolctl import threadpool_limits

from dahlia.errors import ExportError
from dahlia.export.coreml.classifier_usage import classifier_usage
from dahlia.export.coreml.description import describe
from dahlia.export.coreml.detector_file import opened_detector
from dahlia.export.coreml.detector_usage import detector_usage
from dahlia.export.coreml.device import OnDevice, has_core_ml
from dahlia.export.coreml.interpreter.model import RUNTIME, Interpreted
from dahlia.export.coreml.package import model_in, write_model
from dahlia.export.port import Batch, Opened, Source, Usage
from dahlia.imports import quick_imports
from dahlia.kinds import Kind
from dahlia.modeling.card import ModelCard

__all__ = ["opened", "opened_detector", "usage", "write"]

_FORMS: dict[str, Literal["program", "program-float16", "network"]] = {
    "float32": "program",
    "float16": "program-float16",
    "mlmodel": "network",
    "mlmodel-float16": "network",
}
_HALVED = "mlmodel-float16"  # its weights alone, which Core ML reads back as they are


def write(folder: Path, source: Source, flavour: str) -> None:
    """Write `model.mlpackage` (`float32`, `float16`) or `model.mlmodel` (`mlmodel`, `mlmodel-float16`).

    A program wants iOS 15 or macOS 12, the first that run programs; nothing that is needed came later.
    A neural network wants iOS 13 or macOS 10.15, or one year later where a layer does.

    Raises:
        ExportError: an operation has no such form, or the flavour is not known.
        TrainingError: the bundle is not whole.
    """
    if flavour not in _FORMS:
        raise ExportError(
            f"Core ML has the flavours {', '.join(_FORMS)}; received `{flavour}`. Choose one of them."
        )
    _WRITERS[source.card.kind](folder, source, flavour)


def _write_classifier(folder: Path, source: Source, flavour: str) -> None:
    with quick_imports():
        from dahlia.export.coreml.convert import convert_graph
        from dahlia.export.coreml.kept import followed_once
    from dahlia.export.coreml.precision import halve_weights

    with tempfile.TemporaryDirectory(prefix="dahlia-coreml-") as scratch:
        graph = followed_once(source, source.module)
        converted = convert_graph(graph, source.card, _FORMS[flavour], Path(scratch))
        describe(converted.model, source.card)
        if flavour == _HALVED:
            halve_weights(converted.model.neuralNetworkClassifier)
        write_model(folder, converted)


def _write_detector(folder: Path, source: Source, flavour: str) -> None:
    with quick_imports():
        from dahlia.export.coreml.detector import write_detector

    write_detector(folder, source, _FORMS[flavour], halved=flavour == _HALVED)


_WRITERS: dict[Kind, Callable[[Path, Source, str], None]] = {
    "multiclass": _write_classifier,
    "multilabel": _write_classifier,
    "detection": _write_detector,
}


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Open what lies in `folder`: in Core ML on macOS, elsewhere in an interpreter of the file's operations.

    Raises:
        VerificationError: there is no model or it is damaged; and, when it is run, it cannot be run.
    """
    path = model_in(folder)
    model = Interpreted(path)
    if has_core_ml():
        yield on_device(path, model)
        return
    # Its products are small: several threads wait for each other, on a busy machine most of the time.
    with threadpool_limits(1, user_api="blas"):
        yield Opened(model.run, model.labels, RUNTIME)


def on_device(path: Path, declared: Interpreted) -> Opened:
    """A classifier in Core ML.

    Args:
        path: the package or the file.
        declared: what the file says of its tags and its photo; Core ML only answers.

    Raises:
        VerificationError: Core ML cannot load it; and, when it is run, cannot run it.
    """
    device = OnDevice(path, declared.image.name)

    def run(pixels: Batch) -> Batch:
        given = [device.answers(photo)["loss"] for photo in pixels]
        rows = [[float(answer[label]) for label in declared.labels] for answer in given]
        return np.array(rows, np.float32).reshape(len(pixels), -1)

    return Opened(run, declared.labels, device.runtime)


def usage(card: ModelCard, flavour: str) -> Usage:
    """Python for macOS, and the lines of Swift that an app needs."""
    return _USAGES[card.kind](card, flavour)


_USAGES: dict[Kind, Callable[[ModelCard, str], Usage]] = {
    "multiclass": classifier_usage,
    "multilabel": classifier_usage,
    "detection": detector_usage,
}
