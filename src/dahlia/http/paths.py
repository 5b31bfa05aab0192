"""Which path of the Custom Vision prediction API asks for what.

    POST /customvision/{v3.x}/prediction/{projectId}/{classify|detect}/iterations/{publishName}/{image|url}
    POST /customvision/{v2.x|v1.x}/prediction/{projectId}/{image|url}?iterationId=

All may end in `/nostore`. Segments match without regard to case, and repeated slashes count as one. A path is
matched before it is decoded, so that a publish name may hold any character, a slash included.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from dahlia.errors import ServiceError

if TYPE_CHECKING:
    from starlette.types import Scope

_END = r"(?P<what>image|url)(?P<nostore>/+nostore)?/*"
_ROUTE = re.compile(
    r"/+customvision/+(?P<version>v3\.(?:[0-3]|4-preview))/+prediction/+(?P<project>[^/]+)"
    rf"/+(?P<task>classify|detect)/+iterations/+(?P<name>[^/]+)/+{_END}",
    re.IGNORECASE,
)
_OLD_ROUTE = re.compile(
    rf"/+customvision/+(?P<version>v[12]\.[0-2])/+prediction/+(?P<project>[^/]+)/+{_END}", re.IGNORECASE
)
_DOOR = re.compile(r"/+customvision(?:/|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Route:
    """What a path asks for.

    Attributes:
        version: of the API, such as `v3.1`.
        project: as the client wrote it.
        task: `classify` or `detect`; None in v1 and v2, whose paths are those of both.
        name: the publish name; None in v1 and v2, whose query names an iteration.
        what: where the image is: `image` for in the body, `url` for at an address in the body.
        keep: whether image and answer may be stored.
    """

    version: str
    project: str
    task: str | None
    name: str | None
    what: str
    keep: bool


def is_contract(scope: Scope) -> bool:
    """Whether a request is for the Custom Vision API at all."""
    return _DOOR.match(raw_path(scope)) is not None


def is_prediction(scope: Scope) -> bool:
    """Whether a path is one of predictions, whatever the method."""
    path = raw_path(scope)
    return bool(_ROUTE.fullmatch(path) or _OLD_ROUTE.fullmatch(path))


def parse_route(scope: Scope) -> Route | None:
    """Match a request; None for a route that there is not."""
    path = raw_path(scope)
    match = _ROUTE.fullmatch(path) or _OLD_ROUTE.fullmatch(path)
    if match is None or scope["method"] != "POST":
        return None
    parts = match.groupdict()
    return Route(
        version=parts["version"].lower(),
        project=unquote(parts["project"]),
        task=parts["task"].lower() if "task" in parts else None,
        name=unquote(parts["name"]) if "name" in parts else None,
        what=parts["what"].lower(),
        keep=not parts["nostore"],
    )


def raw_path(scope: Scope) -> str:
    """The path as it was sent."""
    raw: bytes | None = scope.get("raw_path")
    return raw.split(b"?")[0].decode("latin-1") if raw else quote(scope["path"])


def parse_id(text: str, what: str) -> str:
    """An id in lower case.

    Args:
        text: as the client wrote it.
        what: whose id it is, for the error.

    Raises:
        ServiceError: it is not a UUID.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ServiceError(
            "BadRequestInvalidIds",
            f"Expected the {what}'s id, a UUID, received {text!r}. Copy it from the prediction URL.",
        ) from None


_DOES = {"classify": "classifies images", "detect": "detects objects"}


def check_task(task: str | None, served: str) -> None:
    """Refuse to let a classifier detect, and a detector classify.

    Args:
        task: `classify` or `detect`; None for whatever the model does.
        served: what the model does.

    Raises:
        ServiceError: it is the other one.
    """
    if task not in (None, served):
        raise ServiceError(
            "BadRequestOperationNotSupported",
            f"Invalid project type for operation: expected to {served}, received a request to {task}. The "
            f"iteration {_DOES[served]}: ask at .../{served}/iterations/... in place of "
            f".../{task}/iterations/...",
        )
