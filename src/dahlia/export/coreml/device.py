"""Core ML itself, where it runs: a photo in, what the model answers out."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

from dahlia.export.coreml.interpreter.registry import Array
from dahlia.export.port import unusable

_ERRORS = (OSError, RuntimeError, ValueError, TypeError, KeyError)


def has_core_ml() -> bool:
    """Whether this machine runs Core ML."""
    return sys.platform == "darwin"


class OnDevice:
    """A model in Core ML, on whatever it chooses to compute with.

    Args:
        path: the package or the file.
        image: the name of the input.

    Attributes:
        runtime: what runs it, with its version.

    Raises:
        VerificationError: Core ML cannot load it.
    """

    def __init__(self, path: Path, image: str) -> None:
        self.runtime = f"Core ML, macOS {platform.mac_ver()[0]}"
        self._name, self._image = path.name, image
        try:
            self._model = core_ml().MLModel(str(path))
        except _ERRORS as error:
            raise unusable(self.runtime, "load", path.name, error) from error

    def answers(self, photo: Array) -> dict[str, Any]:
        """(3, height, width) RGB, 0 to 255, to what the model answers, by name.

        Raises:
            VerificationError: Core ML cannot run it.
        """
        from PIL import Image

        image = Image.fromarray(np.rint(photo.transpose(1, 2, 0)).astype(np.uint8))
        try:
            return dict(self._model.predict({self._image: image}))
        except _ERRORS as error:
            raise unusable(self.runtime, "run", self._name, error) from error


def core_ml() -> Any:
    """The part of coremltools that has models."""
    from dahlia.export.coreml._runtime import ct

    return ct.models
