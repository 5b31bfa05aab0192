"""What the ports of all formats share: what they are written from and offer, and what exports agree on.

A port writes a format, opens it and explains it. Labels and outputs are those of Custom Vision's exports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from dahlia.boxes import Boxes
from dahlia.dataset.imaging import Pixels
from dahlia.errors import ExportError, VerificationError
from dahlia.imports import quick_imports
from dahlia.kinds import Kind
from dahlia.modeling.card import DetectorCard, ModelCard

if TYPE_CHECKING:
    from dahlia.modeling.classifier import Classifier
    from dahlia.modeling.detection.detector import Detector, Finding


Batch = npt.NDArray[np.float32]
Run = Callable[[Batch], Batch]


@dataclass(frozen=True)
class Source:
    """What every writer starts from.

    Attributes:
        bundle: the folder of the trained model.
        card: of the bundle.
        cache: a folder for what is worth keeping between exports; safe to delete.
        photos: reads some hundred of the training photos, (size, size, 3) RGB each, spread over all tags:
            quantisation learns the range of every map from them.
    """

    bundle: Path
    card: ModelCard
    cache: Path
    photos: Callable[[], list[Pixels]]

    def module(self) -> Classifier:
        """The trained module, in evaluation mode on the CPU.

        Raises:
            TrainingError: the bundle is not whole.
        """
        with quick_imports():
            from dahlia.modeling.classifier import load_bundle

        return load_bundle(self.bundle)[0]

    def detector(self) -> Detector:
        """The trained detector, in evaluation mode on the CPU.

        Raises:
            TrainingError: the bundle is not whole.
        """
        with quick_imports():
            from dahlia.modeling.detection.detector import load_detector

        return load_detector(self.bundle)[0]

    def finding(self) -> Finding:
        """The trained detector without its backbone; see `detector`."""
        with quick_imports():
            from dahlia.modeling.detection.detector import Finding

        return Finding(self.detector())


@dataclass(frozen=True)
class Opened:
    """An artifact in its own runtime, known by nothing but its files.

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
class OpenedDetector:
    """The artifact of a detector in its own runtime, known by nothing but its files.

    Attributes:
        find: (1, 3, size, size) float32 RGB, 0 to 255, to what is in the photo, as a program gets it that
            reads the files: after suppression, in the order in which they answer.
        labels: the K tags, in the order in which the files name the columns.
        runtime: what runs it, with its version.
        size: pixels of an edge of the photos that it takes.
    """

    find: Callable[[Batch], Boxes]
    labels: tuple[str, ...]
    runtime: str
    size: int


REPORT = "Export again; if it stays, report the backbone's name."
"""What to do where a runtime refuses a file that was just written."""


def unusable(
    runtime: str, what: Literal["load", "run"], name: str, error: Exception | str
) -> VerificationError:
    """The error of a file that its runtime cannot load or run.

    Args:
        runtime: with its version.
        what: it cannot do.
        name: of the file.
        error: what the runtime says; 300 characters are shown.
    """
    text = " ".join(str(error).split())[:300]
    return VerificationError(f"{runtime} cannot {what} {name}: {text}. {REPORT}")


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
        """Write the artifact's own files into an empty folder.

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


class DetectorPort(Port, Protocol):
    """A port that writes detectors too."""

    def opened_detector(self, folder: Path) -> AbstractContextManager[OpenedDetector]:
        """Open what `write` and the packing left of a detector in `folder`; see `opened`."""
        ...


LABELS = "labels.txt"
METADATA = "metadata_properties.json"


@dataclass(frozen=True)
class Output:
    """What a kind's files answer, as each place says it.

    Attributes:
        activation: ONNX's operation that makes probabilities of logits.
        options: of the operation.
        method: Custom Vision's name for it.
        meaning: of the numbers.
        reading: how a README tells people to read them.
        gated_meaning: the same as `meaning`, of a model with a gate.
        gated_reading: the same as `reading`, of a model with a gate.
        tags: how many of a model's tags a photo has, after their number.
    """

    activation: str
    options: Mapping[str, Any]
    method: str
    meaning: str
    reading: str
    gated_meaning: str
    gated_reading: str
    tags: str


OUTPUTS: dict[Kind, Output] = {
    "multiclass": Output(
        activation="Softmax",
        options={"axis": -1},
        method="ClassificationMultiClass",
        meaning="calibrated probabilities that sum to 1",
        reading="one of them is right: probabilities sum to 1",
        gated_meaning="calibrated probabilities that sum to at most 1; the rest is that of none of the tags",
        gated_reading="at most one of them is right: what is missing to a sum of 1 is that none is",
        tags="tags",
    ),
    "multilabel": Output(
        activation="Sigmoid",
        options={},
        method="ClassificationMultiLabel",
        meaning="calibrated probabilities, each tag by itself",
        reading="any of them may be right: every probability is for itself",
        gated_meaning="calibrated probabilities, each tag by itself; all are low where none is there",
        gated_reading="any of them may be right, or none: every probability is for itself",
        tags="tags, one or more,",
    ),
}


def output_of(card: ModelCard) -> Output:
    """What a model's files answer: that of its kind, and what a gate changes of it."""
    output = OUTPUTS[card.kind]
    if card.negatives is None:
        return output
    return replace(output, meaning=output.gated_meaning, reading=output.gated_reading)


def write_labels(folder: Path, card: ModelCard) -> None:
    """Write `labels.txt`: a tag per line in the order of the columns, no newline at the end."""
    (folder / LABELS).write_text("\n".join(tag.name for tag in card.tags), encoding="utf-8")


def read_labels(folder: Path) -> tuple[str, ...]:
    """The tags in `labels.txt`.

    Raises:
        VerificationError: it is missing or is not text.
    """
    path = folder / LABELS
    try:
        return tuple(path.read_text(encoding="utf-8").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise VerificationError(
            f"{path} was expected to name the tags and cannot be read: {error}."
        ) from error


def detector_of(card: ModelCard) -> DetectorCard:
    """How a detector's answer is read.

    Raises:
        ExportError: the card is of another model.
    """
    if card.detector is None:
        raise ExportError(
            f"Expected the card of a detector, received that of another model, of the domain {card.domain}. "
            "Run `dvc repro train` again."
        )
    return card.detector
