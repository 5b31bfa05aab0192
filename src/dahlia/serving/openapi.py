"""The OpenAPI page: all that answers, the routes before BentoML included."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import yaml

import dahlia
from dahlia.serving.drawing import THRESHOLD
from dahlia.serving.openapi_parts import (
    FILE,
    HEADERS,
    SCHEMAS,
    SECURITY,
    SECURITY_SCHEMES,
    TEXT,
    UUID,
    Json,
    answer,
    form,
    path_parameter,
    query_parameter,
    ref,
    refusals,
    said,
    typed,
)
from dahlia.serving.prediction_api import ImagePrediction

_BASE = "/customvision/v3.1/prediction/{projectId}"
_GENERATED = ("BoundingBox", "OwnPrediction", "Prediction", "Refusal")
_IMAGE = "A JPEG, PNG, BMP, GIF, WebP, TIFF, HEIC or AVIF file of at most 4 MB."
_ABOUT = """The published iterations of projects say what is in photos: classifiers the tags, detectors also
where each of them is. Two APIs give the same predictions: **Custom Vision** is for programs that were written
for Azure's service, **Dahlia** is the simpler one.

If the service has a key, every prediction needs it in the header `Prediction-Key`. Every answer has an id
(`apim-request-id`), which is also in the service's log.

Errors are `{"code", "message"}`. Those about the key (401) and about too many requests (429) are nested, as
`{"error": {"code", "message"}}`, and unknown paths give `{"statusCode", "message"}`."""
_CUSTOM_VISION = """Shown with the base path of version 3.1. The versions 3.0, 3.2, 3.3 and 3.4-preview answer
in the same way; segments match without regard to case (`Prediction`), repeated slashes count as one, and the
names of the query do not depend on case either. A publish name is percent-encoded (`Iteration%201`)."""

_OWN_TAG = {
    "name": "Dahlia",
    "description": "Predictions from a form, of one photo or several, with explanations and pictures.",
}
CONTRACT_TAGS = [
    {"name": "Custom Vision", "description": _CUSTOM_VISION},
    {
        "name": "Custom Vision, versions 1 and 2",
        "description": "For older clients. Shown with 2.0 and 1.1; 2.1, 2.2, 1.0 and 1.2 work alike.",
    },
]
_OTHER_TAGS = [
    {"name": "Health", "description": "For load balancers, Kubernetes and Prometheus. No key is needed."},
    {"name": "About", "description": "This page, and its description for programs."},
]

_PROJECT = path_parameter("projectId", "The project's id.", UUID)
_NAME = path_parameter(
    "publishedName", "The name under which the iteration is published.", TEXT | {"minLength": 1}
)
_APPLICATION = query_parameter("application", "The client's name; stored with the answer.", TEXT)
_ITERATION = query_parameter(
    "iterationId", "A published iteration's id; optional if there is only one.", UUID
)


class Page(dict[str, Any]):
    """An OpenAPI document, with what BentoML asks of one."""

    def asdict(self) -> Json:
        """The document, no part of which is in it twice: YAML would write the second as a reference."""
        copied: Json = json.loads(json.dumps(self))
        return copied


yaml.add_representer(Page, lambda dumper, page: dumper.represent_dict(page.asdict()))


def describe(generated: Json) -> Page:
    """The document for the whole service.

    Args:
        generated: BentoML's own, from which the schemas of its answers are taken.
    """
    schemas = {name: generated["components"]["schemas"][name] for name in _GENERATED}
    contract = ImagePrediction.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas["ImagePrediction"] = {key: value for key, value in contract.items() if key != "$defs"}
    return Page(
        openapi=generated["openapi"],
        info={"title": "Dahlia", "version": dahlia.__version__, "description": _ABOUT},
        servers=generated["servers"],
        tags=[_OWN_TAG, *CONTRACT_TAGS, *_OTHER_TAGS],
        paths=_typed(generated["paths"]) | contract_paths() | _health() | _about(),
        components={"schemas": schemas | SCHEMAS, "securitySchemes": SECURITY_SCHEMES, "headers": HEADERS},
    )


def contract_paths() -> Json:
    """The routes of the Custom Vision API, by their paths."""
    return _custom_vision() | _older()


def _custom_vision() -> Json:
    return {
        f"{_BASE}/{task}/iterations/{{publishedName}}/{what}{end}": {
            "post": _operation(task, what, end, "Custom Vision", task.capitalize())
            | {"parameters": [_PROJECT, _NAME, _APPLICATION]}
        }
        for task, what, end in product(("classify", "detect"), ("image", "url"), ("", "/nostore"))
    }


def _older() -> Json:
    older = {"parameters": [_PROJECT, _ITERATION, _APPLICATION], "deprecated": True}
    return {
        f"/customvision/{version}/prediction/{{projectId}}/{what}{end}": {
            "post": _operation("predict", what, end, "Custom Vision, versions 1 and 2", name, suffix) | older
        }
        for (version, name, suffix), what, end in product(
            (("v2.0", "PredictV2", ""), ("v1.1", "PredictV1", "V1")), ("image", "url"), ("", "/nostore")
        )
    }


def _operation(task: str, what: str, end: str, tag: str, name: str, suffix: str = "") -> Json:
    """A prediction; `suffix` ends the names of its schemas."""
    error = f"Error{suffix}"
    does = _DOES[task]
    photo = "a photo" if what == "image" else "the photo at an address"
    keep = (
        "Nothing is stored."
        if end
        else "Photo and answer are stored for some time, if storing is configured."
    )
    other = {"classify": " An iteration that detects objects answers 400.", "detect": _OTHERS}.get(task, "")
    kept = {} if end else {"dahlia-stored": ref("headers", "Stored")}
    good = said("The prediction.", f"ImagePrediction{suffix}", **kept)
    return {
        "tags": [tag],
        "summary": f"{does} {photo}" + (", and store nothing" if end else ""),
        "description": keep + other,
        "operationId": name + ("Image" if what == "image" else "ImageUrl") + ("WithNoStore" if end else ""),
        "requestBody": _image_body() if what == "image" else _url_body(),
        "responses": {"200": good} | refusals(error),
        "security": SECURITY,
    }


_DOES = {
    "classify": "Classify",
    "detect": "Detect objects in",
    "predict": "Classify, or detect objects in,",
}
_OTHERS = (
    " Every prediction has a `boundingBox`; those of a tag are together, the most probable first. An "
    "iteration that classifies answers 400."
)


def _image_body() -> Json:
    body = form("imageData", {"imageData": FILE | {"description": _IMAGE}})
    body["content"]["application/octet-stream"] = {"schema": FILE | {"description": _IMAGE}}
    body["description"] = (
        "The one file of a form, whatever its field is called; or the file itself, of any type."
    )
    return body


def _url_body() -> Json:
    address = TEXT | {"format": "uri", "description": "http or https, from the public internet."}
    schema = {"type": "object", "required": ["url"], "properties": {"url": address}}
    example = {"url": "https://example.com/rose.jpg"}
    return {
        "required": True,
        "description": "The name `url` in any case.",
        "content": {"application/json": {"schema": schema, "example": example}},
    }


_SWITCH: Json = {"type": "string", "enum": ["true", "false"]}


def _typed(known: Json) -> Json:
    """The routes that BentoML knows as well."""
    wrong_type = {"415": said("It is no multipart form.", "Error")}
    late = {"504": said("The prediction took too long.", "Error")}
    errors = refusals("Error", "BentoMLError") | wrong_type | late
    prediction = said("The prediction, with its map if that was asked for.", "OwnPrediction")
    prediction["content"] = {
        "application/json": {
            "schema": {"anyOf": [ref("schemas", "ExplainedPrediction"), ref("schemas", "OwnPrediction")]}
        },
        "image/png": {"schema": FILE},
        "image/jpeg": {"schema": FILE},
    }
    either = {"anyOf": [ref("schemas", "OwnPrediction"), ref("schemas", "Refusal")]}
    answers = {"type": "array", "items": either}
    predict = known["/predict"]["post"] | {
        "operationId": "Predict",
        "summary": "Classify a photo, or detect objects in it, and explain or draw it",
        "description": "With `explain=true` the answer of a classifier shows which parts of the photo "
        "support a tag: as a picture if `Accept` names `image/png`, otherwise as numbers in `activation`. "
        "With `draw=true` the answer of a detector is the photo with boxes, a JPEG. Nothing is stored.",
        "parameters": [
            query_parameter("explain", "Whether to explain; of classifiers.", _SWITCH),
            query_parameter("draw", "Whether to draw; of detectors.", _SWITCH),
            query_parameter(
                "threshold",
                f"With `draw=true`: the lowest score of boxes that are drawn (default: {THRESHOLD:g}).",
                {"type": "number", "minimum": 0, "maximum": 1},
            ),
        ],
        "requestBody": form("image", _fields()),
        "responses": {"200": prediction} | errors,
    }
    batch = known["/predict_batch"]["post"] | {
        "operationId": "PredictBatch",
        "summary": "Classify several photos, or detect objects in them",
        "description": "For a service with exactly one published name. One answer for each photo, in their "
        "order; a photo that cannot be used has an error in its place. Nothing is stored.",
        "requestBody": form("images", {"images": {"type": "array", "items": FILE, "description": _BATCH}}),
        "responses": {"200": typed("One answer for each photo.", "application/json", answers)} | errors,
    }
    own = {"tags": ["Dahlia"], "security": SECURITY}
    return {"/predict": {"post": predict | own}, "/predict_batch": {"post": batch | own}}


_BATCH = "JPEG, PNG, BMP, GIF, WebP, TIFF, HEIC or AVIF files, of at most 4 MB together."


def _fields() -> Json:
    texts = {
        "name": "The publish name; optional if exactly one is published.",
        "project": "The project's id; optional if only one project has the name.",
        "tag": "With `explain=true`: the tag, by its name or id (default: the most probable one).",
    }
    return {"image": FILE | {"description": _IMAGE}} | {
        name: TEXT | {"description": text} for name, text in texts.items()
    }


def _health() -> Json:
    plain = typed("Yes.", "text/plain", TEXT)
    no = typed("Not yet: nothing is published.", "text/plain", TEXT)
    metrics = typed("Metrics as Prometheus reads them.", "text/plain", TEXT)
    return {
        path: {
            "get": {
                "tags": ["Health"],
                "summary": summary,
                "operationId": path.strip("/"),
                "responses": responses,
            }
        }
        for path, summary, responses in (
            ("/livez", "Whether the process is alive", {"200": plain}),
            ("/readyz", "Whether predictions can be answered", {"200": plain, "503": no}),
            ("/healthz", "The same as /livez, by an older name", {"200": plain}),
            ("/metrics", "Counters and times, by project and publish name", {"200": metrics}),
        )
    }


def _about() -> Json:
    return {
        path: {
            "get": {
                "tags": ["About"],
                "summary": summary,
                "operationId": name,
                "responses": {"200": answer("") | {"description": summary, "content": {kind: {}}}},
            }
        }
        for path, name, summary, kind in (
            ("/", "page", "This page", "text/html"),
            ("/docs.json", "docs", "This page, in OpenAPI", "application/json"),
            ("/schema.json", "schema", "What BentoML's own client asks for", "application/json"),
        )
    }
