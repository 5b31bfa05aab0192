"""`python old.py VERSION JSON`: calls all that a Python client before 3.1 has; a line of JSON a call."""

from __future__ import annotations

import base64
import io
import json
import sys
from typing import Any

from azure.cognitiveservices.vision.customvision import prediction as sdk
from msrest.authentication import ApiKeyCredentials
from msrest.exceptions import HttpOperationError


def client_of(version: str, endpoint: str, key: str) -> Any:
    if version == "0.1.0":
        return sdk.PredictionEndpoint(key, f"{endpoint}/customvision/v1.1/Prediction")
    if version == "0.4.0":
        return sdk.CustomVisionPredictionClient(key, endpoint)
    return sdk.CustomVisionPredictionClient(endpoint, ApiKeyCredentials(in_headers={"Prediction-Key": key}))


def report(call: str, method: Any, *given: Any, **named: Any) -> None:
    try:
        answer = method(*given, application="tests", **named)
        first = answer.predictions[0]
        tag = first.tag if hasattr(first, "tag") else first.tag_name
        print(json.dumps({"call": call, "tag": tag, "date": answer.created.tzinfo is not None}))
    except HttpOperationError as error:
        code = getattr(error.error, "code", None)
        print(json.dumps({"call": call, "status": error.response.status_code, "code": code}))


def main() -> None:
    version, asked = sys.argv[1], json.loads(sys.argv[2])
    client = client_of(version, asked["endpoint"], asked["key"])
    photo = base64.b64decode(asked["photo"])
    place, tasks = (asked["project"], asked["name"]), ("classify", "detect")
    if version.startswith("0."):
        place, tasks = (asked["project"],), ("predict",)
    for task in tasks:
        for store in ("", "_with_no_store"):
            for what, image in (
                ("image", {"image_data": io.BytesIO(photo)}),
                ("image_url", {"url": asked["url"]}),
            ):
                call = f"{task}_{what}{store}"
                report(call, getattr(client, call), *place, **image)
    print(json.dumps({"from": sdk.__file__}))


main()
