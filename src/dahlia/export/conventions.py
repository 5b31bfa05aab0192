"""What Custom Vision's exports agree on, whatever the format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dahlia.errors import VerificationError
from dahlia.kinds import Kind
from dahlia.modeling.card import ModelCard

LABELS = "labels.txt"


@dataclass(frozen=True)
class Output:
    """What a kind's files answer, as each place says it.

    Attributes:
        activation: ONNX's operation that makes probabilities of logits.
        options: of the operation.
        method: Custom Vision's name for it.
        meaning: of the numbers.
        reading: how a README tells people to read them.
        tags: how many of a model's tags a photo has, after their number.
    """

    activation: str
    options: Mapping[str, Any]
    method: str
    meaning: str
    reading: str
    tags: str


OUTPUTS: dict[Kind, Output] = {
    "multiclass": Output(
        activation="Softmax",
        options={"axis": -1},
        method="ClassificationMultiClass",
        meaning="calibrated probabilities that sum to 1",
        reading="one of them is right: probabilities sum to 1",
        tags="tags",
    ),
    "multilabel": Output(
        activation="Sigmoid",
        options={},
        method="ClassificationMultiLabel",
        meaning="calibrated probabilities, each tag by itself",
        reading="any of them may be right: every probability is for itself",
        tags="tags, one or more,",
    ),
}


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
