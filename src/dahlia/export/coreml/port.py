"""Core ML as a port: four flavours of files, opened in Core ML on macOS and in an interpreter elsewhere."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from dahlia.errors import ExportError, VerificationError
from dahlia.export.coreml.interpreter.model import RUNTIME, Interpreted
from dahlia.export.port import Batch, Opened, Source, Usage, output_of, unusable
from dahlia.files import staged_directory, staged_file, write_json
from dahlia.modeling.card import NAMESPACE, ModelCard

if TYPE_CHECKING:
    from dahlia.export.coreml.convert import Converted

_FORMS: dict[str, Literal["program", "program-float16", "network"]] = {
    "float32": "program",
    "float16": "program-float16",
    "mlmodel": "network",
    "mlmodel-float16": "network",
}
PACKAGE = "model.mlpackage"
NETWORK = "model.mlmodel"
_PYTHON = """\
from pathlib import Path

import coremltools as ct
import cv2
from PIL import Image

tags = Path("labels.txt").read_text(encoding="utf-8").split("\\n")
photo = cv2.imread("photo.jpg")
photo = cv2.resize(photo, ({size}, {size}), interpolation=cv2.INTER_AREA)
image = Image.fromarray(photo[..., ::-1].copy())  # OpenCV reads BGR, Pillow holds RGB
answer = ct.models.MLModel("{file}").predict({{"data": image}})["loss"]
probabilities = [answer[tag] for tag in tags]
best = probabilities.index(max(probabilities))
print(tags[best], probabilities[best])
"""
_SWIFT = """\
```swift
let request = VNCoreMLRequest(model: try VNCoreMLModel(for: model(configuration: .init()).model))
request.imageCropAndScaleOption = .scaleFill
try VNImageRequestHandler(cgImage: photo).perform([request])  // request.results: tag and confidence
```"""


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
    module = source.module()
    from dahlia.export.coreml.convert import convert, halve_weights

    with tempfile.TemporaryDirectory(prefix="dahlia-coreml-") as scratch:
        converted = convert(module, source.card, _FORMS[flavour], Path(scratch))
        describe(converted.model, source.card)
        if flavour == "mlmodel-float16":
            halve_weights(converted.model.neuralNetworkClassifier)
        if _FORMS[flavour] == "network":
            write_network(folder / NETWORK, converted.model)
        else:
            write_package(folder / PACKAGE, converted)


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Open what lies in `folder`: in Core ML on macOS, elsewhere in an interpreter of the file's operations.

    Raises:
        VerificationError: there is no model or it is damaged; and, when it is run, it cannot be run.
    """
    found = [folder / name for name in (PACKAGE, NETWORK) if (folder / name).exists()]
    if len(found) != 1:
        raise VerificationError(
            f"{folder} was expected to hold {PACKAGE} or {NETWORK} and holds {len(found)} of them. "
            "Export again."
        )
    if has_core_ml():
        yield on_device(found[0])
        return
    model = Interpreted(found[0])
    # Its products are small: several threads wait for each other, on a busy machine most of the time.
    with threadpool_limits(1, user_api="blas"):
        yield Opened(model.run, model.labels, RUNTIME)


def has_core_ml() -> bool:
    """Whether this machine runs Core ML."""
    return sys.platform == "darwin"


def on_device(path: Path) -> Opened:
    """A model in Core ML, on whatever it chooses to compute with.

    Raises:
        VerificationError: Core ML cannot load it; and, when it is run, cannot run it.
    """
    # What the file says of its tags and its photo is read from the file; Core ML only answers.
    declared = Interpreted(path)
    system = platform.mac_ver()[0]
    runtime = f"Core ML of macOS {system}"
    from PIL import Image

    try:
        model = _core_ml().MLModel(str(path))
    except _core_ml_errors() as error:
        raise unusable(runtime, "load", path.name, error) from error

    def answer(photo: Any) -> list[float]:
        image = Image.fromarray(np.rint(photo.transpose(1, 2, 0)).astype(np.uint8))
        try:
            given = model.predict({declared.image.name: image})["loss"]
            return [float(given[label]) for label in declared.labels]
        except _core_ml_errors() as error:
            raise unusable(runtime, "run", path.name, error) from error

    def run(pixels: Batch) -> Batch:
        return np.array([answer(photo) for photo in pixels], np.float32).reshape(len(pixels), -1)

    return Opened(run, declared.labels, f"Core ML, macOS {system}")


def _core_ml() -> Any:
    from dahlia.export.coreml._runtime import ct

    return ct.models


def _core_ml_errors() -> tuple[type[Exception], ...]:
    return (OSError, RuntimeError, ValueError, TypeError, KeyError)


def usage(card: ModelCard, flavour: str) -> Usage:
    """Python for macOS, and the lines of Swift that an app needs."""
    file = "model.mlmodel" if _FORMS.get(flavour) == "network" else "model.mlpackage"
    needs = (
        "iOS 13 or macOS 10.15 (some networks iOS 14 or macOS 11)"
        if file == "model.mlmodel"
        else "iOS 15 or macOS 12"
    )
    size = card.input.size
    return Usage(
        packages="coremltools opencv-python-headless pillow",
        lines=_PYTHON.format(size=size, file=file),
        notes=(
            f"Runs on {needs} and later; the Python lines run on macOS alone.",
            f"Input `data`: an image of {size} x {size} pixels, 0 to 255. The model asks for "
            f"{card.channels} and Core ML turns any image into that; scaling is inside the model.",
            "Output `classLabel`: the most probable tag. Output `loss`: the probability of each tag.",
            f"In an app, add `{file}` to the Xcode target and ask Vision:\n\n{_SWIFT}",
        ),
    )


_OWNER = "com.apple.CoreML"
_SHOWN = 5


def describe(model: Any, card: ModelCard) -> None:
    """Write author, licence, version and the meaning of input and outputs into a `Model` message."""
    metadata = model.description.metadata
    metadata.author = card.project
    metadata.license = "Owned by the person who trained it, who decides how it may be used."
    metadata.versionString = card.dahlia_version
    metadata.shortDescription = f"{_task(card)} Trained with Dahlia {card.dahlia_version}, {card.domain}."
    # The day of the conversion would make two exports of one model differ.
    metadata.userDefined.pop("com.github.apple.coremltools.conversion_date", None)
    metadata.userDefined["dahlia.domain"] = card.domain
    metadata.userDefined["dahlia.data_fingerprint"] = card.data_fingerprint
    size = card.input.size
    texts = {
        "data": f"The photo, squashed to {size} x {size} pixels; Core ML turns it into {card.channels}.",
        "classLabel": "The most probable tag.",
        "loss": "The probability of each tag.",
    }
    for feature in (*model.description.input, *model.description.output):
        feature.shortDescription = texts.get(feature.name, "")


def _task(card: ModelCard) -> str:
    names = [tag.name for tag in card.tags]
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"Says which of {len(names)} {output_of(card).tags} a photo has: {shown}."


def write_package(path: Path, converted: Converted) -> None:
    """Write `Manifest.json`, the program and its weights; the same model gives the same bytes.

    Raises:
        ExportError: the conversion left no weights.
    """
    weights = converted.weights
    if weights is None or not weights.is_dir():
        raise ExportError(
            f"coremltools was expected to leave the weights in {weights}. Run the export again."
        )
    with staged_directory(path) as staged:
        data = staged / "Data" / _OWNER
        data.mkdir(parents=True)
        (data / NETWORK).write_bytes(_bytes(converted.model))
        shutil.copytree(weights, data / "weights", copy_function=shutil.copyfile)
        write_json(staged / "Manifest.json", _manifest())


def write_network(path: Path, model: Any) -> None:
    """Write the one file; the same model gives the same bytes."""
    with staged_file(path) as staged:
        staged.write_bytes(_bytes(model))


def _bytes(model: Any) -> bytes:
    return bytes(model.SerializeToString(deterministic=True))


def _manifest() -> dict[str, object]:
    program = _entry("model.mlmodel", "CoreML Model Specification")
    weights = _entry("weights", "CoreML Model Weights")
    return {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": program | weights,
        "rootModelIdentifier": next(iter(program)),
    }


def _entry(name: str, description: str) -> dict[str, dict[str, str]]:
    identifier = str(uuid.uuid5(NAMESPACE, f"coreml:{name}"))
    return {
        identifier: {
            "author": _OWNER,
            "description": description,
            "name": name,
            "path": f"{_OWNER}/{name}",
        }
    }
