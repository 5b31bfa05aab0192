"""Which path asks for what.

    POST /image   /PROJECT/image   /PROJECT/classify/iterations/NAME/image   and the same with url
    POST /customvision/VERSION/prediction/PROJECT/classify/iterations/NAME/image   or url

All may end in `/nostore`; nothing is stored anyway. Segments match without regard to case, and repeated
slashes count as one. A path is matched before it is decoded, so that a name may hold any character.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from starlette.types import Scope

_TASK = r"(?P<task>classify|detect)/+iterations/+[^/]+/+"
_END = r"(?P<what>image|url)(?:/+nostore)?/*"
_CLOUD = re.compile(
    rf"/+customvision/+v3\.(?:[0-3]|4-preview)/+prediction/+(?P<project>[^/]+)/+{_TASK}{_END}", re.IGNORECASE
)
_CONTAINER = re.compile(rf"/+(?:(?P<project>[^/]+)/+(?:{_TASK})?)?{_END}", re.IGNORECASE)


@dataclass(frozen=True)
class Route:
    """What a path asks for.

    Attributes:
        manner: whose answers and errors the client expects: those of the cloud, or of an exported container.
        project: as the client wrote it.
        task: `classify` where the path names none.
        what: where the image is: in the body, or at an address in the body.
    """

    manner: Literal["cloud", "container"]
    project: str
    task: str
    what: str


def parse_route(scope: Scope) -> Route | None:
    """Match a request; None for a prediction route that there is not."""
    if scope["method"] != "POST":
        return None
    path = _raw_path(scope)
    if match := _CLOUD.fullmatch(path):
        return Route("cloud", unquote(match["project"]), match["task"].lower(), match["what"].lower())
    if match := _CONTAINER.fullmatch(path):
        task = (match["task"] or "classify").lower()
        return Route("container", unquote(match["project"] or ""), task, match["what"].lower())
    return None


def _raw_path(scope: Scope) -> str:
    raw: bytes | None = scope.get("raw_path")
    return raw.split(b"?")[0].decode("latin-1") if raw else quote(scope["path"])
