"""Core ML's files on disk: the message of a model, and the weights that lie beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from dahlia.errors import VerificationError
from dahlia.export.coreml.interpreter.constants import Weights
from dahlia.export.coreml.interpreter.schema import messages


def read_model(path: Path) -> tuple[Any, Weights]:
    """The `Model` message of a `.mlpackage` or `.mlmodel`, and where its weights are.

    Raises:
        VerificationError: something is missing or damaged.
    """
    root = _root(path) if path.suffix == ".mlpackage" else path
    model = messages().Model_pb2.Model()
    try:
        model.ParseFromString(root.read_bytes())
    except (OSError, DecodeError) as error:
        raise VerificationError(
            f"{root} was expected to be a Core ML model and cannot be read: {error}. Export again."
        ) from error
    kind = model.WhichOneof("Type")
    expected = "mlProgram" if path.suffix == ".mlpackage" else "neuralNetworkClassifier"
    if kind != expected:
        raise VerificationError(f"{path} was expected to hold a {expected} and holds a {kind}. Export again.")
    return model, Weights(root.parent)


def _root(package: Path) -> Path:
    manifest = package / "Manifest.json"
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        entries = content["itemInfoEntries"]
        return package / "Data" / str(entries[content["rootModelIdentifier"]]["path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VerificationError(
            f"{manifest} was expected to say where the program lies and does not ({error!r}). Export again."
        ) from error
