"""Which path asks for what.

    POST /image   /PROJECT/image   /PROJECT/classify/iterations/NAME/image   and the same with url
    POST /customvision/...                                                        see `paths.py`

All may end in `/nostore`; nothing is stored anyway. Segments match without regard to case, and repeated
slashes count as one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from dahlia.serving.http.paths import parse_route as parse_cloud_route
from dahlia.serving.http.paths import raw_path

if TYPE_CHECKING:
    from starlette.types import Scope

_TASK = r"(?P<task>classify|detect)/+iterations/+[^/]+/+"
_END = r"(?P<what>image|url)(?:/+nostore)?/*"
_CONTAINER = re.compile(rf"/+(?:(?P<project>[^/]+)/+(?:{_TASK})?)?{_END}", re.IGNORECASE)


@dataclass(frozen=True)
class Route:
    """What a path asks for.

    Attributes:
        manner: whose answers and errors the client expects: those of the cloud, or of an exported container.
        project: as the client wrote it.
        task: `classify` where the path names none.
        what: where the image is: in the body, or at an address in the body.
        version: of the cloud's API.
    """

    manner: Literal["cloud", "container"]
    project: str
    task: str
    what: str
    version: str = ""


def parse_route(scope: Scope) -> Route | None:
    """Match a request; None for a prediction route that there is not."""
    if scope["method"] != "POST":
        return None
    if cloud := parse_cloud_route(scope):
        return Route("cloud", cloud.project, cloud.task, cloud.what, cloud.version)
    if match := _CONTAINER.fullmatch(raw_path(scope)):
        task = (match["task"] or "classify").lower()
        return Route("container", unquote(match["project"] or ""), task, match["what"].lower())
    return None
