"""What is found in a photo, as clients of Custom Vision's cloud and of its containers expect it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from dahlia.export.docker.context.model import Model
from dahlia.export.docker.context.readers import Place, Scored
from dahlia.http.replies import new_id, timestamp

_DIGITS = 6  # of fractions of a photo: a hundredth of a pixel of the largest


def of_cloud(model: Model, found: Sequence[Scored]) -> dict[str, object]:
    """As its cloud answers: tags by their probability; boxes by tag, within the photo."""
    return {
        "id": new_id(),
        "project": model.project_id,
        "iteration": model.iteration,
        "created": timestamp(datetime.now(UTC)),
        "predictions": [
            {
                "probability": one.probability,
                "tagId": one.tag.id,
                "tagName": one.tag.name,
                "tagType": one.tag.type,
            }
            | ({"boundingBox": _within(one.place)} if one.place else {})
            for one in sorted(found, key=_order)
        ],
    }


def of_container(found: Sequence[Scored]) -> dict[str, object]:
    """As its containers answer: in the order and with the numbers of the model, rounded to eight digits."""
    return {
        "id": "",
        "project": "",
        "iteration": "",
        "created": datetime.now(UTC).replace(tzinfo=None).isoformat(),
        "predictions": [
            {
                "tagName": one.tag.name,
                "probability": round(one.probability, 8),
                "tagId": one.number if one.place else "",
                "boundingBox": _box(one.place, 8) if one.place else None,
            }
            for one in found
        ],
    }


def _order(one: Scored) -> tuple[int, float]:
    return (one.number if one.place else 0, -one.probability)


def _within(place: Place) -> dict[str, float]:
    left, top, right, bottom = (
        min(max(edge, 0.0), 1.0)
        for edge in (place.left, place.top, place.left + place.width, place.top + place.height)
    )
    return _box(Place(left, top, right - left, bottom - top), _DIGITS)


def _box(place: Place, digits: int) -> dict[str, float]:
    return {name: round(edge, digits) for name, edge in place._asdict().items()}
