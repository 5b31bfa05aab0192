"""What a format has to offer: to be written, to be opened as its users open it, and to be explained."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dahlia.export.source import Source
from dahlia.modeling.card import ModelCard

Batch = npt.NDArray[np.float32]
Run = Callable[[Batch], Batch]


@dataclass(frozen=True)
class Opened:
    """An artefact in its own runtime, known by nothing but its files.

    Attributes:
        run: (N, 3, size, size) float32 RGB, 0 to 255, to (N, K) probabilities. How the file itself wants its
            pixels (BGR, NHWC, 0 to 1, ...) is read from the file.
        labels: the K tags, in the order in which the files name the columns.
        runtime: what runs it, with its version.
    """

    run: Run
    labels: tuple[str, ...]
    runtime: str


@dataclass(frozen=True)
class Usage:
    """What the README inside a zip says.

    Attributes:
        packages: what `pip install` needs.
        lines: Python of about ten lines. Run in the unpacked folder, it reads `photo.jpg` and prints the most
            probable tag and its probability.
        notes: Markdown on input and output, one fact a line.
    """

    packages: str
    lines: str
    notes: tuple[str, ...]


class Port(Protocol):
    """A module that writes and reads one family of formats."""

    def write(self, folder: Path, source: Source, flavour: str) -> None:
        """Write the artefact's own files into an empty folder.

        Raises:
            ExportError: it cannot be written.
            TrainingError: the bundle is not whole.
        """
        ...

    def opened(self, folder: Path) -> AbstractContextManager[Opened]:
        """Open what `write` and the packing left in `folder`, as a user who has only these files.

        Raises:
            VerificationError: the runtime cannot load it; and, when it is run, cannot run it.
        """
        ...

    def usage(self, card: ModelCard, flavour: str) -> Usage:
        """How to run it."""
        ...
