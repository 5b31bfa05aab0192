"""What schemathesis is told: of each operation most cases are about something that is there.

Otherwise nearly all cases would end at an unknown project. `FUZZ_THINGS` names a file with ids: of two
projects, one to be kept and one whose things may be deleted. `FUZZ_CALLS` names a file for what was answered.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import random
from pathlib import Path
from typing import Any

import schemathesis

_THINGS: dict[str, Any] = json.loads(Path(os.environ["FUZZ_THINGS"]).read_text())
_PHOTO = base64.b64decode(_THINGS["photo"])
_IN_PATHS = {"tag_id": "tags", "image_id": "images", "iteration_id": "iterations", "domain_id": "domains"}
_IN_QUERIES = {
    "tagIds": "tags",
    "imageId": "images",
    "imageIds": "images",
    "regionIds": "regions",
    "iterationId": "iterations",
    "ids": "predictions",
    "domainId": "domains",
}
_IN_BODIES = {
    "tagId": "tags",
    "tagIds": "tags",
    "selectedTags": "tags",
    "imageId": "images",
    "id": "predictions",
    "iterationId": "iterations",
    "projectId": "project",
    "domainId": "domains",
}
_MANY = {"tagIds", "imageIds", "regionIds", "ids", "selectedTags"}
_BYTES = {"imageData", "image"}

_calls = Path(os.environ["FUZZ_CALLS"])
_turns = itertools.count()
_chance = random.Random(7)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    if next(_turns) % 5 == 0:
        return  # as it was thought up
    things = _THINGS["spare" if case.method == "DELETE" else "kept"]
    if case.operation.path.endswith("/images/regions"):
        things = things | things["drawn"]
    if case.path_parameters:
        case.path_parameters = _path(case, things)
    if isinstance(case.query, dict):
        case.query = {
            name: _some(things, _IN_QUERIES[name], name in _MANY) if name in _IN_QUERIES else value
            for name, value in case.query.items()
        }
    if case.media_type == "application/octet-stream":
        case.body = _PHOTO
    else:
        case.body = _body(case.body, things)


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    with _calls.open("a") as calls:
        calls.write(f"{case.method} {response.status_code} {case.operation.path}\n")


def _path(case: Any, things: dict[str, Any]) -> dict[str, Any]:
    here: dict[str, Any] = {"publishedName": "live", "key": _chance.choice(things["files"])}
    if case.method != "DELETE" or not case.operation.path.endswith("/{project_id}"):
        here |= dict.fromkeys(("project_id", "projectId"), things["project"])
    given = dict(case.path_parameters)
    return {
        name: _some(things, _IN_PATHS[name], False) if name in _IN_PATHS else here.get(name, value)
        for name, value in given.items()
    }


def _body(value: Any, things: dict[str, Any], name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _body(part, things, key) for key, part in value.items()}
    if isinstance(value, list):
        return [_body(part, things, name) for part in value]
    if name in _BYTES and isinstance(value, bytes | str):
        return _PHOTO
    if name == "contents" and isinstance(value, str):
        return _THINGS["photo"]
    if name in _IN_BODIES and isinstance(value, str):
        return _some(things, _IN_BODIES[name], False)
    return value


def _some(things: dict[str, Any], what: str, many: bool) -> str:
    found = things[what]
    if isinstance(found, str):
        return found
    count = _chance.randint(1, 4) if many else 1
    return ",".join(_chance.choice(found) for _ in range(count))
