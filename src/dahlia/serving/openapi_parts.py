"""What the operations of the OpenAPI page share: schemas, answers, parameters, bodies."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

UUID: Json = {"type": "string", "format": "uuid"}
FILE: Json = {"type": "string", "format": "binary"}
TEXT: Json = {"type": "string"}
_CODE: Json = {
    "type": "string",
    "description": "an error code of the Custom Vision API",
    "example": "BadRequestImageFormat",
}
_MESSAGE: Json = {"type": "string", "description": "what was expected, what was received, what to do next"}

SECURITY_SCHEMES: Json = {
    name: {
        "type": "apiKey",
        "in": "header",
        "name": header,
        "description": f"The key of the service.{more} Not asked where `DAHLIA_PREDICTION_KEY` is not set.",
    }
    for name, header, more in (
        ("PredictionKey", "Prediction-Key", ""),
        ("TrainingKey", "Training-Key", " As good as `Prediction-Key`."),
        ("SubscriptionKey", "Ocp-Apim-Subscription-Key", " As good as `Prediction-Key`."),
    )
}
SECURITY: list[Json] = [*({name: []} for name in SECURITY_SCHEMES), {}]

HEADERS: Json = {
    "RequestId": {"description": "names this request in the service's log", "schema": UUID},
    "Stored": {
        "description": "Whether photo and answer are stored on disk; absent if nothing is to be stored.",
        "schema": {"type": "boolean"},
    },
    "RetryAfter": {"description": "seconds to wait", "schema": {"type": "integer", "minimum": 1}},
}


def ref(kind: str, name: str) -> Json:
    """A reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def record(description: str, optional: Json | None = None, /, **fields: Json) -> Json:
    """The schema of an object with exactly these fields, and perhaps the optional ones."""
    return {
        "type": "object",
        "description": description,
        "required": list(fields),
        "properties": fields | (optional or {}),
        "additionalProperties": False,
    }


SCHEMAS: Json = {
    "Error": record("Why there is no prediction.", code=_CODE, message=_MESSAGE),
    "ErrorV1": record("Why there is no prediction, as version 1 writes it.", Code=_CODE, Message=_MESSAGE),
    "GatewayError": record(
        "A refusal before the request was looked at.",
        error=record(
            "", code={"type": "string", "description": "the status", "example": "429"}, message=_MESSAGE
        ),
    ),
    "NoSuchRoute": record(
        "The path does not exist.", statusCode={"type": "integer", "enum": [404]}, message=TEXT
    ),
    "BentoMLError": {
        "type": "object",
        "description": "An error that BentoML answers with.",
        "required": ["error"],
        "properties": {"error": TEXT},
    },
    "Activation": record(
        "How much each part of the photo speaks for a tag.",
        tagId=UUID,
        tagName=TEXT,
        map={
            "type": "array",
            "description": "Rows from top to bottom, in logits; below zero where a part speaks against it.",
            "items": {"type": "array", "items": {"type": "number"}},
        },
    ),
    "ExplainedPrediction": {
        "allOf": [
            ref("schemas", "OwnPrediction"),
            {
                "type": "object",
                "required": ["activation"],
                "properties": {"activation": ref("schemas", "Activation")},
            },
        ]
    },
    "PredictionV1": record(
        "A tag and how probable it is, as version 1 writes it; of detectors also where.",
        {"BoundingBox": ref("schemas", "BoundingBoxV1")},
        Probability={"type": "number"},
        TagId=UUID,
        Tag=TEXT,
        TagType=TEXT,
    ),
    "BoundingBoxV1": record(
        "Where in the image a tag is, as fractions of its width and height, from the top left corner.",
        **{name: {"type": "number"} for name in ("Left", "Top", "Width", "Height")},
    ),
    "ImagePredictionV1": record(
        "One iteration's prediction of one image, as version 1 writes it.",
        Id=UUID,
        Project=UUID,
        Iteration=UUID,
        Created=TEXT,
        Predictions={"type": "array", "items": ref("schemas", "PredictionV1")},
    ),
}


def answer(description: str, **headers: Json) -> Json:
    """An answer without a body that is worth a schema."""
    named = {name: ref("headers", "RequestId") for name in ("apim-request-id", "request-id")}
    return {"description": description, "headers": named | headers}


def typed(description: str, media_type: str, schema: Json, **headers: Json) -> Json:
    """An answer of one media type."""
    return answer(description, **headers) | {"content": {media_type: {"schema": schema}}}


def said(description: str, *names: str, **headers: Json) -> Json:
    """An answer in JSON, of one of the schemas named."""
    known = [ref("schemas", name) for name in names]
    return typed(
        description, "application/json", known[0] if len(known) == 1 else {"anyOf": known}, **headers
    )


def refusals(error: str = "Error", *own: str) -> Json:
    """The answers of every prediction that is refused.

    Args:
        error: the schema of an error.
        own: schemas of errors that only this operation has.
    """
    retry = {"Retry-After": ref("headers", "RetryAfter")}
    return {
        "400": said("The image, its address, or what it was sent with cannot be used.", error),
        "401": said("The key is missing or wrong.", "GatewayError"),
        "403": said("No key is set, and a web page of another origin asks.", error),
        "404": said("The project, iteration, name, tag or path does not exist.", error, "NoSuchRoute"),
        "408": said("The whole request did not arrive in time.", error),
        "414": said("The address is longer than a header may be.", error),
        "429": said("The service is overloaded. Try again.", "GatewayError", **retry),
        "431": said("The header is larger than 64 KB, or has more than 100 fields.", error),
        "500": said("The model cannot be loaded; see the log.", error, *own),
        "503": said(
            "Nothing is published, the service is starting, or all connections are taken.", error, *own
        ),
    }


def path_parameter(name: str, description: str, schema: Json) -> Json:
    """A segment of the path."""
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def query_parameter(name: str, description: str, schema: Json) -> Json:
    """A part of the query that may be left out."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def form(required: str, fields: Json) -> Json:
    """A multipart body."""
    schema = {"type": "object", "required": [required], "properties": fields}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
