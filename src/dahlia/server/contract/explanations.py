"""What the server sends about parts of an image that speak for a tag. Not of Custom Vision."""

from __future__ import annotations

from pydantic import Field

from dahlia.server.contract.fields import Answer
from dahlia.server.contract.iterations import ImagePrediction


class ActivationMap(Answer):
    """How much each part of an image supports a tag."""

    tag_id: str
    tag_name: str
    map: tuple[tuple[float, ...], ...] = Field(
        description="rows from top to bottom, in logits; values above the mean support the tag"
    )


class ExplainedPrediction(ImagePrediction):
    """An iteration's prediction of an image, and its explanation."""

    activation: ActivationMap
