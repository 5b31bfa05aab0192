"""Core ML's files as they lie on the disk: packages of programs, and files of neural networks."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dahlia.errors import ExportError, VerificationError
from dahlia.files import staged_directory, staged_file, write_json
from dahlia.modeling.card import NAMESPACE

if TYPE_CHECKING:
    from dahlia.export.coreml.convert import Converted

PACKAGE = "model.mlpackage"
NETWORK = "model.mlmodel"
_OWNER = "com.apple.CoreML"


def file_name(flavour: str) -> str:
    """The file of a flavour, or its package, which is a folder."""
    return NETWORK if flavour.startswith("mlmodel") else PACKAGE


def model_in(folder: Path) -> Path:
    """The one model that lies in a folder.

    Raises:
        VerificationError: there is none, or there are several.
    """
    found = [folder / name for name in (PACKAGE, NETWORK) if (folder / name).exists()]
    if len(found) != 1:
        raise VerificationError(
            f"{folder} was expected to hold {PACKAGE} or {NETWORK} and holds {len(found)} of them. "
            "Export again."
        )
    return found[0]


def write_model(folder: Path, converted: Converted) -> None:
    """Write `model.mlpackage`, or `model.mlmodel` where there are no weights beside the model.

    Raises:
        ExportError: the conversion left no weights.
    """
    if converted.weights is None:
        write_network(folder / NETWORK, converted.model)
    else:
        write_package(folder / PACKAGE, converted)


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
