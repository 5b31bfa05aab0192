"""What Xcode shows of a model."""

from __future__ import annotations

from typing import Any

from dahlia.export.conventions import OUTPUTS
from dahlia.modeling.card import ModelCard

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
