"""How answers and refusals are worded: as Custom Vision's cloud does, and as its exported containers do."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, PlainTextResponse, Response

from dahlia.errors import ServingError

if TYPE_CHECKING:
    from dahlia.export.docker.context.model import Model
    from dahlia.export.docker.context.routes import Route


def answer(route: Route, model: Model, probabilities: Sequence[float]) -> Response:
    """The answer that the route's clients expect."""
    if route.manner == "cloud":
        return _reply(_of_cloud(model, probabilities), 200)
    return JSONResponse(_of_container(model, probabilities))


def refusal(route: Route, error: ServingError) -> Response:
    """The error that the route's clients expect."""
    if route.manner == "cloud":
        return _reply({"code": error.code, "message": str(error)}, error.status)
    status = 500 if route.what == "image" else 200
    return PlainTextResponse(f"Error processing image: {error}", status)


def gateway_refusal(status: int, message: str, **headers: str) -> Response:
    """An error of the gateway before the cloud's service: nested, its code the HTTP status."""
    return _reply({"error": {"code": str(status), "message": message}}, status, **headers)


def no_such_route() -> Response:
    """The answer to a path that there is not."""
    return _reply({"statusCode": 404, "message": "Resource not found"}, 404)


def _of_cloud(model: Model, probabilities: Sequence[float]) -> dict[str, object]:
    scored = sorted(zip(model.tags, probabilities, strict=True), key=lambda one: -one[1])
    moment = datetime.now(UTC)
    # At most three fraction digits, trailing zeros cut.
    fraction = f".{moment.microsecond // 1000:03d}".rstrip("0").rstrip(".")
    return {
        "id": str(uuid.uuid4()),
        "project": model.project_id,
        "iteration": model.iteration,
        "created": f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z",
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


def _reply(content: object, status: int, **headers: str) -> Response:
    common = {"apim-request-id": str(uuid.uuid4()), "x-content-type-options": "nosniff"}
    return JSONResponse(
        content, status, headers=common | headers, media_type="application/json; charset=utf-8"
    )
