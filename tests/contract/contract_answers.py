"""What every answer must be: which fields are there, null or absent; how dates and errors are spelled."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from azure.cognitiveservices.vision.customvision import training
from azure.cognitiveservices.vision.customvision.training.models import CustomVisionErrorCodes
from msrest.serialization import Model

Fields = Mapping[str, Collection[str]]

# Of the model or of one that it is derived from; absent where there is nothing to say, and never null.
ABSENT: Fields = {
    "Image": ("tags", "regions", "metadata"),
    "ImagePerformance": ("tags", "regions"),
    "Iteration": ("trainedAt",),
    "Prediction": ("boundingBox",),
}
# Null where there is nothing to say, and never absent.
NULL: Fields = {
    "Domain": ("modelInformation",),
    "Export": ("downloadUri", "flavor"),
    "ImageCreateResult": ("sourceUrl", "image"),
    "ImageMetadataUpdateEntry": ("metadata",),
    "Iteration": (
        "exportableTo",
        "domainId",
        "classificationType",
        "publishName",
        "originalPublishResourceId",
        "customBaseModelInfo",
        "trainingErrorDetails",
    ),
    "PredictionQueryTag": ("minThreshold", "maxThreshold"),
    "PredictionQueryToken": ("continuation", "iterationId", "startTime", "endTime", "application"),
    "Project": ("thumbnailUri",),
    "ProjectSettings": (
        "classificationType",
        "detectionParameters",
        "exportModelContainerUri",
        "notificationQueueUri",
    ),
    "SuggestedTagAndRegionQueryToken": ("continuation",),
}
_IDS = re.compile(r"id|project|iteration|domain|(tag|image|project|iteration|domain|region)Id")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,2}[1-9])?Z")
_CODES = {code.value for code in CustomVisionErrorCodes}
_STATUS = {"BadRequest": 400, "NotFound": 404, "Forbidden": 403, "Conflict": 409, "Error": 500}
_ENUMS: Mapping[tuple[str, str], Any] = {
    ("Domain", "type"): training.models.DomainType,
    ("Export", "platform"): training.models.ExportPlatform,
    ("Export", "status"): training.models.ExportStatus,
    ("ImageCreateResult", "status"): training.models.ImageCreateStatus,
    ("ImageMetadataUpdateEntry", "status"): training.models.ImageMetadataUpdateStatus,
    ("Iteration", "classificationType"): training.models.Classifier,
    ("Iteration", "trainingType"): training.models.TrainingType,
    ("Prediction", "tagType"): training.models.TagType,
    ("Project", "status"): training.models.ProjectStatus,
    ("ProjectSettings", "classificationType"): training.models.Classifier,
    ("Tag", "type"): training.models.TagType,
}


def check_answer(response: Any, output: Any) -> None:
    """Compare an answer as it came with what the SDK made of it.

    Args:
        response: of the SDK's HTTP library.
        output: a model, several, a plain value, bytes in pieces, or None.
    """
    headers = response.headers
    assert headers["apim-request-id"]
    assert headers["x-content-type-options"] == "nosniff"
    if response.status_code in (202, 204):
        assert (response.content, output) == (b"", None)
    elif headers["content-type"].startswith("application/json"):
        _check(response.json(), output, "answer")
    else:
        assert headers["content-type"] == "application/octet-stream"


def check_refusal(error: Any) -> str:
    """Check what the SDK raised; gives the code."""
    body, status = error.response.json(), error.response.status_code
    if status in (401, 429):  # the gateway's
        assert body.keys() == {"error"}
        assert body["error"] == {"code": str(status), "message": body["error"]["message"]}
        return str(status)
    assert body.keys() == {"code", "message"}
    assert (error.error.code, error.message) == (body["code"], body["message"])
    assert body["code"] in _CODES
    assert status == next(number for word, number in _STATUS.items() if body["code"].startswith(word)), body
    assert len(body["message"]) > len("Bad Request"), "it says why"
    return str(body["code"])


def check_json(raw: Any, kind: type[Model]) -> None:
    """Check an object, or several, that was asked for without the SDK."""
    for one in raw if isinstance(raw, list) else [raw]:
        _check(one, kind.deserialize(one), kind.__name__)


def _check(raw: Any, output: Any, place: str) -> None:
    if isinstance(output, Model):
        _check_model(raw, output, f"{place}:{type(output).__name__}")
    elif isinstance(output, list):
        assert len(raw) == len(output), place
        for number, (one, made) in enumerate(zip(raw, output, strict=True)):
            _check(one, made, f"{place}[{number}]")
    elif isinstance(output, dict):
        assert raw == output, place
    elif isinstance(output, datetime):
        assert output.tzinfo is not None, place
        assert _DATE.fullmatch(raw), f"{place} is {raw}"
    else:
        assert raw == output, place
        assert raw is not None, place


def _check_model(raw: dict[str, Any], output: Model, place: str) -> None:
    fields = {about["key"]: name for name, about in output._attribute_map.items()}
    assert raw.keys() <= fields.keys(), f"{place} has {raw.keys() - fields.keys()}, which clients do not know"
    for key, name in fields.items():
        if key not in raw:
            assert key in _listed(ABSENT, output), f"{place}.{key} is absent"
        elif raw[key] is None:
            assert key in _listed(NULL, output), f"{place}.{key} is null"
        else:
            _check_spelling(raw[key], key, output, f"{place}.{key}")
            _check(raw[key], getattr(output, name), f"{place}.{key}")


def _check_spelling(value: Any, key: str, output: Model, place: str) -> None:
    if _IDS.fullmatch(key):
        assert _UUID.fullmatch(value), f"{place} is {value}"
    if (type(output).__name__, key) in _ENUMS:
        assert value in {one.value for one in _ENUMS[type(output).__name__, key]}, f"{place} is {value}"


def _listed(fields: Fields, output: Model) -> set[str]:
    return {key for kind in type(output).__mro__ for key in fields.get(kind.__name__, ())}
