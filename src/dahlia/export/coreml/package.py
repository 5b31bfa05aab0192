"""Core ML's files: what Xcode shows of a model, the package of a program, a neural network's one file."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

from dahlia.errors import ExportError
from dahlia.export.conventions import OUTPUTS
from dahlia.export.coreml.convert import Converted
from dahlia.files import staged_directory, staged_file, write_json
from dahlia.modeling.card import NAMESPACE, ModelCard

PACKAGE = "model.mlpackage"
NETWORK = "model.mlmodel"
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
    return f"Says which of {len(names)} {OUTPUTS[card.kind].tags} a photo has: {shown}."


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
