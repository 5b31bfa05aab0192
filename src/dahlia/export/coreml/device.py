"""Core ML itself, where there is one."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

from dahlia.errors import VerificationError
from dahlia.export.coreml.interpreter.model import Interpreted
from dahlia.export.port import Batch, Opened


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
    from PIL import Image

    try:
        model = _core_ml().MLModel(str(path))
    except _refusals() as error:
        raise _unusable("load", path, error) from error

    def answer(photo: Any) -> list[float]:
        image = Image.fromarray(np.rint(photo.transpose(1, 2, 0)).astype(np.uint8))
        try:
            given = model.predict({declared.image.name: image})["loss"]
            return [float(given[label]) for label in declared.labels]
        except _refusals() as error:
            raise _unusable("run", path, error) from error

    def run(pixels: Batch) -> Batch:
        return np.array([answer(photo) for photo in pixels], np.float32).reshape(len(pixels), -1)

    return Opened(run, declared.labels, f"Core ML, macOS {platform.mac_ver()[0]}")


def _core_ml() -> Any:
    from dahlia.export.coreml._runtime import ct

    return ct.models


def _refusals() -> tuple[type[Exception], ...]:
    return (OSError, RuntimeError, ValueError, TypeError, KeyError)


def _unusable(what: str, path: Path, error: Exception) -> VerificationError:
    text = " ".join(str(error).split())[:300]
    return VerificationError(
        f"Core ML of macOS {platform.mac_ver()[0]} cannot {what} {path.name}: {text}. Export again; if it "
        "stays, report the backbone's name."
    )
