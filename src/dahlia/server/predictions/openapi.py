"""The routes of the prediction API, which no router knows, in the server's OpenAPI document."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from dahlia.serving.http.openapi import CONTRACT_TAGS, contract_paths
from dahlia.serving.http.openapi_parts import HEADERS, SCHEMAS, said

Json = dict[str, Any]

_REFERENCE = re.compile(r"#/components/schemas/(\w+)")
_KEYLESS = ("/healthz", "/readyz", "/files/")
_KEYS = {"TrainingKey": "Training-Key", "PredictionKey": "Prediction-Key"} | {
    "SubscriptionKey": "Ocp-Apim-Subscription-Key"
}
_SCHEMES: Json = {
    name: {
        "type": "apiKey",
        "in": "header",
        "name": header,
        "description": "A key of the server, in any of the three headers.",
    }
    for name, header in _KEYS.items()
}


def prediction_paths() -> Json:
    """The operations of the prediction API, by their paths; all of them need a key."""
    paths: Json = copy.deepcopy(contract_paths())
    for path in paths.values():
        operation = path["post"]
        operation["responses"]["403"] = said("The key may not do this.", "Error")
        del operation["security"]
    return paths


def with_predictions(document: Json) -> Json:
    """A document of the training API, completed: predictions, and the keys that operations need.

    Args:
        document: as FastAPI writes it; it is not changed.
    """
    paths = copy.deepcopy(document["paths"])
    for path, operations in paths.items():
        if path.startswith(_KEYLESS):
            for operation in operations.values():
                operation["security"] = []
    paths |= prediction_paths()
    components = copy.deepcopy(document.get("components", {}))
    schemas = components.get("schemas", {})
    components["schemas"] = schemas | _wanted(paths, schemas)
    components["headers"] = HEADERS
    components["securitySchemes"] = _SCHEMES
    return document | {
        "tags": [*document.get("tags", []), *CONTRACT_TAGS],
        "paths": paths,
        "components": components,
        "security": [{name: []} for name in _SCHEMES],
    }


def _wanted(paths: Json, known: Json) -> Json:
    """The schemas that paths refer to and that are not known, with those that they refer to."""
    wanted: Json = {}
    names = set(_REFERENCE.findall(json.dumps(paths))) - known.keys()
    while names:
        wanted |= {name: SCHEMAS[name] for name in names}
        names = set(_REFERENCE.findall(json.dumps(wanted))) - known.keys() - wanted.keys()
    return wanted
