"""What a request passes before the router: the host's name, the body's size, `HEAD`, origins of web pages."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import Request

from dahlia.errors import ServiceError
from dahlia.http.cross_origin import Policy
from dahlia.http.origins import Origins
from dahlia.http.replies import REQUEST, identified, refusal
from dahlia.server.http.addresses import FILES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from dahlia.server.host_names import HostNames
    from dahlia.settings.sections import SecuritySection

SMALL = 2 * 1024 * 1024  # 256 names, regions or ids take a tenth of it
_LARGE = re.compile(r".*/projects/[^/]+/(images|images/files|(quicktest|explain)/image)")
_MISDIRECTED = 421
_SHOWN = 100  # characters of a name in a message
# Load balancers ask by whatever name they have; the answers name no host and say no more than a port does.
_ANY_NAME = ("/healthz", "/readyz")
_HEAD = "head"  # the name in a request's state
_AREA = re.compile(r"/+(?:customvision/+[^/]+/+(prediction|training)|dahlia)(?:/|$)", re.IGNORECASE)
_PREDICTIONS, _TRAINING = "DAHLIA_SECURITY_PREDICTION_ORIGINS", "DAHLIA_SECURITY_TRAINING_ORIGINS"

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
