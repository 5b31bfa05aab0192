"""What a Core ML model says of itself: author, licence, version, and the meaning of input and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dahlia.export.port import output_of
from dahlia.modeling.card import ModelCard

_SHOWN = 5


def describe(model: Any, card: ModelCard) -> None:
    """Write what a classifier says of itself into its `Model` message."""
    names = [tag.name for tag in card.tags]
    task = f"Says which of {len(names)} {output_of(card).tags} a photo has: {listed(names)}."
    texts = {"classLabel": "The most probable tag.", "loss": "The probability of each tag."}
    say(model, card, task, texts)


def listed(names: list[str]) -> str:
    """The first tags, and whether there are more."""
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def say(model: Any, card: ModelCard, task: str, texts: Mapping[str, str]) -> None:
    """Write into a `Model` message what its reader is told.

    Args:
        model: changed in place.
        card: of the trained model.
        task: what it does, as a sentence.
        texts: the meaning of inputs and outputs, by their names; that of the photo is known.
    """
    metadata = model.description.metadata
    metadata.author = card.project
    metadata.license = "Owned by the person who trained it, who decides how it may be used."
    metadata.versionString = card.dahlia_version
    metadata.shortDescription = f"{task} Trained with Dahlia {card.dahlia_version}, {card.domain}."
    # The day of the conversion would make two exports of one model differ.
    metadata.userDefined.pop("com.github.apple.coremltools.conversion_date", None)
    metadata.userDefined["dahlia.domain"] = card.domain
    metadata.userDefined["dahlia.data_fingerprint"] = card.data_fingerprint
    size = card.input.size
    photo = f"The photo, squashed to {size} x {size} pixels; Core ML turns it into {card.channels}."
    for feature in (*model.description.input, *model.description.output):
        feature.shortDescription = {"data": photo, **texts}.get(feature.name, "")
