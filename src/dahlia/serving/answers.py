"""The answer to a prediction, as the Custom Vision API words it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from dahlia.serving.http.replies import new_id, timestamp
from dahlia.serving.models.runtime import Model, Scored


class Prediction(BaseModel):
    """A tag and how probable it is."""

    probability: float = Field(description="calibrated, 0 to 1")
    tagId: str = Field(description="UUID")  # noqa: N815
    tagName: str  # noqa: N815
    tagType: Literal["Regular", "Negative"]  # noqa: N815


class ImagePrediction(BaseModel):
    """What one iteration says of one image."""

    id: str = Field(description="UUID of this prediction")
    project: str = Field(description="UUID of the project")
    iteration: str = Field(description="UUID of the iteration that answered")
    created: str = Field(description="UTC, such as 2026-03-01T12:30:05.25Z")
    predictions: list[Prediction] = Field(description="every tag, the most probable first")


def answer(model: Model, scored: Sequence[Scored]) -> dict[str, Any]:
    """The fields of an `ImagePrediction`, with a new id and the present time."""
    return {
        "id": new_id(),
        "project": model.card.project_id,
        "iteration": model.iteration,
        "created": timestamp(datetime.now(UTC)),
        "predictions": [
            {
                "probability": one.probability,
                "tagId": one.tag.id,
                "tagName": one.tag.name,
                "tagType": one.tag.type,
            }
            for one in scored
        ],
    }
