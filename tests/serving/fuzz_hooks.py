"""What schemathesis is told: every other case is about the project that is there, and brings a photo.

Otherwise nearly all cases would end at an unknown project. `FUZZ_CALLS` names a file for what was answered,
`FUZZ_ADDRESSES=refused` sends only addresses whose hosts need no name server.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import schemathesis
from serving_helpers import PROJECT_ID, picture

REFUSED = (
    "http://127.0.0.1/a.jpg",
    "http://[::1]/a.jpg",
    "http://[::ffff:10.0.0.1]/a.jpg",
    "http://169.254.169.254/latest/meta-data/",
    "http://168.63.129.16/",
    "http://10.0.0.1:65535/",
    "http://0.0.0.0/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://127.0.0.1:99999/",
    "http://[::1",
    "http://user:pass@127.0.0.1/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/a.jpg",
    "gopher://127.0.0.1/",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "//127.0.0.1/a.jpg",
)
_FILES = {"imageData", "image", "images"}

_turns = itertools.count()
_addresses = itertools.cycle(REFUSED)
_calls = Path(os.environ["FUZZ_CALLS"])


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    turn = next(_turns)
    if turn % 2:
        _go_where_something_is(case)
    if turn % 4 > 1:
        _send_a_photo(case)
    if turn % 3 == 0:
        case.headers = dict(case.headers or {}) | {"Accept": "image/png"}
    if os.environ.get("FUZZ_ADDRESSES") == "refused" and isinstance(case.body, dict):
        case.body = {
            name: next(_addresses) if isinstance(value, str) else value for name, value in case.body.items()
        }


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    kind = response.headers.get("content-type", ["none"])[0]
    with _calls.open("a") as calls:
        calls.write(f"{case.method} {case.operation.path} {response.status_code} {kind}\n")


def _go_where_something_is(case: Any) -> None:
    here = {"projectId": PROJECT_ID, "publishedName": "Iteration 1"}
    if case.path_parameters:
        case.path_parameters = {name: here.get(name, value) for name, value in case.path_parameters.items()}
    if isinstance(case.query, dict):
        case.query = {name: value for name, value in case.query.items() if name != "iterationId"}


def _send_a_photo(case: Any) -> None:
    if case.media_type == "application/octet-stream":
        case.body = picture()
    elif case.media_type == "multipart/form-data" and isinstance(case.body, dict):
        kept = {name: value for name, value in case.body.items() if name not in ("name", "project", "tag")}
        case.body = kept | {
            name: [picture()] if name == "images" else picture() for name in _FILES & set(case.body)
        }
