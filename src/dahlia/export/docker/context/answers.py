"""How answers and refusals are worded: as Custom Vision's cloud does, and as its exported containers do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, PlainTextResponse, Response

from dahlia.errors import ServingError
from dahlia.serving.http.replies import closing, new_id, refusal, reply, timestamp

if TYPE_CHECKING:
    from dahlia.export.docker.context.model import Model
    from dahlia.export.docker.context.routes import Route


def answer(route: Route, model: Model, probabilities: Sequence[float]) -> Response:
    """The answer that the route's clients expect."""
    if route.manner == "cloud":
        return reply(_of_cloud(model, probabilities), 200, route.version)
    return JSONResponse(_of_container(model, probabilities))


def refuse(route: Route, error: ServingError) -> Response:
    """The error that the route's clients expect."""
    if route.manner == "cloud" or error.status in (401, 403, 429):
        return refusal(error, route.version)
    status = 500 if route.what == "image" else 200
    return PlainTextResponse(f"Error processing image: {error}", status, closing(error))


def _of_cloud(model: Model, probabilities: Sequence[float]) -> dict[str, object]:
    scored = sorted(zip(model.tags, probabilities, strict=True), key=lambda one: -one[1])
    return {
        "id": new_id(),
        "project": model.project_id,
        "iteration": model.iteration,
        "created": timestamp(datetime.now(UTC)),
        "predictions": [
            {"probability": probability, "tagId": tag.id, "tagName": tag.name, "tagType": tag.type}
            for tag, probability in scored
        ],
    }


def _of_container(model: Model, probabilities: Sequence[float]) -> dict[str, object]:
    return {
        "id": "",
        "project": "",
        "iteration": "",
        "created": datetime.now(UTC).replace(tzinfo=None).isoformat(),
        "predictions": [
            {"tagName": tag.name, "probability": round(probability, 8), "tagId": "", "boundingBox": None}
            for tag, probability in zip(model.tags, probabilities, strict=True)
        ],
    }
