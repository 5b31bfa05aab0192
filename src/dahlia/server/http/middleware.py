"""What a request passes before the router: host, size of the body, spelling of the path, `HEAD`, web pages.

Clients send doubled slashes, `Training` and `training`, and twelve versions. Versions 1 and 2 have some other
paths, and version 1 other names in its answers.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request

from dahlia.errors import ServiceError
from dahlia.http.origins import Origins, Policy
from dahlia.http.replies import REQUEST, identified, in_words_of_v1, refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from dahlia.server.http.addresses import HostNames
    from dahlia.settings.sections import SecuritySection

SMALL = 2 * 1024 * 1024  # 256 names, regions or ids take a tenth of it
VERSIONS = ("v1.0", "v1.1", "v1.2", "v2.0", "v2.1", "v2.2", "v3.0", "v3.1", "v3.2", "v3.3", "v3.4-preview")
TRAINING = "/customvision/v3.4-preview/training"
OWN = "/dahlia/v1"
"""Where the operations are that Custom Vision does not have."""
FILES = "/files/"
"""Where the files behind signed addresses are."""
_LARGE = re.compile(r".*/projects/[^/]+/(images|images/files|(quicktest|explain)/image)")
_MISDIRECTED = 421
_SHOWN = 100  # characters of a name in a message
# Load balancers ask by whatever name they have; the answers name no host and say no more than a port does.
_ANY_NAME = ("/healthz", "/readyz")
_HEAD = "head"  # the name in a request's state
_AREA = re.compile(r"/+(?:customvision/+[^/]+/+(prediction|training)|dahlia)(?:/|$)", re.IGNORECASE)
_PREDICTIONS, _TRAINING = "DAHLIA_SECURITY_PREDICTION_ORIGINS", "DAHLIA_SECURITY_TRAINING_ORIGINS"
_ROUTE = re.compile(
    r"/+customvision/+(?P<version>v[\d.]+(?:-preview)?)/+training(?P<rest>/.*)?", re.IGNORECASE
)
_OWN_ROUTE = re.compile(r"/+dahlia/+v1(?P<rest>/.*)?", re.IGNORECASE)
_PATHS_OF_V1 = re.compile(r"(?P<images>/projects/[^/]+/images)/(?P<what>image|url|tagged/all)")
_PRESENT = {"image": "", "url": "/urls", "tagged/all": "/tagged"}
_WITHOUT_PROJECTS = re.compile(r"/[0-9a-f]{8}-[0-9a-f-]{27}/images/[^/]+/regionproposals")
_logger = logging.getLogger("dahlia.server")


class Identified:
    """ASGI application: gives every request an id, which the headers of its answer carry."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app(scope, receive, identified(send) if scope["type"] == "http" else send)


class HostsAllowed:
    """ASGI application: answers requests to names that are allowed, and refuses others with 421.

    Args:
        app: what is behind it.
        names: that are allowed.
    """

    def __init__(self, app: ASGIApp, names: HostNames) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in _ANY_NAME or self._admits(scope):
            await self._app(scope, receive, send)
            return
        error = _misdirected(_hosts(scope))
        _logger.info("Request %s: %d. %s", REQUEST.get(), error.status, error)
        await refusal(error)(scope, receive, send)

    def _admits(self, scope: Scope) -> bool:
        hosts = _hosts(scope)
        if not hosts:
            return True  # of HTTP/1.0: links then begin with the address at which it came in
        return len(hosts) == 1 and self._names.admit(hosts[0], (scope.get("server") or ("",))[0])


class HeadAsGet:
    """ASGI application: answers `HEAD` as it would answer `GET`: the same headers, and no body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            state = {**scope.get("state", {}), _HEAD: True}
            scope, send = {**scope, "method": "GET", "state": state}, _bodiless(send)
        await self._app(scope, receive, send)


def wants_no_body(request: Request) -> bool:
    """Whether the client asked for headers alone, so that no file need be read."""
    return bool(getattr(request.state, _HEAD, False))


class Bounded:
    """ASGI application: refuses bodies over 2 MB; routes that take images bound them themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or _LARGE.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > SMALL:
            await refusal(_too_large())(scope, receive, send)
            return
        await self._app(scope, _counting(receive), send)


def policies(section: SecuritySection) -> Callable[[Scope], Policy | None]:
    """Which web pages may read the answer to a request, by its path.

    A link's signature is its key, so pages that may ask with a key, of either kind, may read files.
    """
    predictions, training = Origins.read(section.pages), Origins.read(section.training_origins)
    of_area = {
        "prediction": Policy(predictions, "POST", _PREDICTIONS),
        "training": Policy(training, "GET, HEAD, POST, PATCH, DELETE", _TRAINING),
    }
    of_files = Policy(predictions | training, "GET, HEAD", _TRAINING, always=True)

    def policy_of(scope: Scope) -> Policy | None:
        if area := _AREA.match(scope["path"]):
            return of_area[(area[1] or "training").lower()]
        return of_files if scope["path"].startswith(FILES) else None

    return policy_of


class OneSpelling:
    """ASGI application: gives the router behind it the newest version's path, in lower case.

    The version is in the request's state. Paths of the training API, and of Dahlia's own operations, hold
    UUIDs and words alone, so that letter case tells nothing apart.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            scope = _spelled(scope)
        await self._app(scope, receive, send)


def present_path(version: str, path: str) -> str:
    """A path below `training` as later versions have it.

    Version 2 left `/projects` out of one; version 1.0 had other words for what is done to images.
    """
    if version < "v2" and (match := _PATHS_OF_V1.fullmatch(path)):
        return match["images"] + _PRESENT[match["what"]]
    return f"/projects{path}" if version < "v3" and _WITHOUT_PROJECTS.fullmatch(path) else path


class WordsOfV1:
    """ASGI application: gives clients of version 1 the names in PascalCase that they look for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        version = str(scope.get("state", {}).get("version", "")) if scope["type"] == "http" else ""
        await self._app(scope, receive, _Rewording(send) if version.startswith("v1.") else send)


class _Rewording:
    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_json(message):
            self._start = message
        elif not self._start:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish()

    async def _finish(self) -> None:
        body = json.dumps(in_words_of_v1(json.loads(self._body)), separators=(",", ":")).encode()
        MutableHeaders(scope=self._start)["content-length"] = str(len(body))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})


def _hosts(scope: Scope) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]


def _misdirected(hosts: list[str]) -> ServiceError:
    received = " and ".join(ascii(host[:_SHOWN]) for host in hosts[:2])
    return ServiceError(
        "BadRequestInvalid",
        f"Expected a request to a name of this server, received one to {received}. If clients are to use "
        "that name, set DAHLIA_SERVER_ALLOWED_HOSTS, or DAHLIA_SERVER_PUBLIC_URL to the address that they "
        "have, and restart the server.",
        status=_MISDIRECTED,
    )


def _bodiless(send: Send) -> Send:
    async def sending(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return sending


def _counting(receive: Receive) -> Receive:
    """Gives a body; raises ServiceError once it is larger than `SMALL`."""
    came = 0

    async def counted() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > SMALL:
            raise _too_large()
        return message

    return counted


def _too_large() -> ServiceError:
    return ServiceError(
        "BadRequestExceededBatchSize",
        f"Expected a body of at most {SMALL // 1024 // 1024} MB for this operation, received a larger one. "
        "Send it in several requests.",
        status=413,
    )


def _spelled(scope: Scope) -> Scope:
    if match := _OWN_ROUTE.fullmatch(scope["path"]):
        return {**scope, "path": OWN + _plain(match["rest"]), "raw_path": None}
    match = _ROUTE.fullmatch(scope["path"])
    if match is None or (version := match["version"].lower()) not in VERSIONS:
        return scope
    return {
        **scope,
        "path": TRAINING + present_path(version, _plain(match["rest"])),
        "raw_path": None,
        "state": {**scope.get("state", {}), "version": version},
    }


def _plain(rest: str | None) -> str:
    return re.sub(r"/+", "/", rest or "").rstrip("/").lower()


def _is_json(message: Message) -> bool:
    headers = Headers(raw=message["headers"])
    return headers.get("content-type", "").startswith("application/json") and "content-length" in headers
