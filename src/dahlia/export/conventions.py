"""What Custom Vision's exports agree on, whatever the format."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dahlia.errors import VerificationError
from dahlia.modeling.card import ModelCard

LABELS = "labels.txt"
Channels = Literal["RGB", "BGR"]


def channels(card: ModelCard) -> Channels:
    """The order of colours in which users of a domain's exports give their pixels.

    The published samples read BGR for the compact domains and RGB for those named `[S1]`; OpenVINO's samples
    read RGB for all.
    """
    return "RGB" if card.domain.endswith("[S1]") else "BGR"


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
