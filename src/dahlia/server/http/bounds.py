"""Bodies of requests: no larger than their route may need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from dahlia.server.contract.errors import ServiceError
from dahlia.server.http.replies import refuse
from dahlia.serving.http.lingering import Incoming
from dahlia.serving.http.lingering import refuse as refuse_and_linger

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SMALL = 2 * 1024 * 1024  # 256 names, regions or ids take a tenth of it
_LARGE = re.compile(r".*/projects/[^/]+/(images|images/files|(quicktest|explain)/image)")


class Bounded:
    """ASGI application: refuses bodies over 2 MB; routes that take images bound them themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or _LARGE.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        incoming = Incoming(receive)
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > SMALL:
            await refuse_and_linger(refuse(_refusal()), scope, incoming, send)
            return
        await self._app(scope, _counting(incoming), send)


def _counting(receive: Receive) -> Receive:
    """Gives a body; raises ServiceError once it is larger than `SMALL`."""
    came = 0

    async def counted() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > SMALL:
            raise _refusal()
        return message

    return counted


def _refusal() -> ServiceError:
    return ServiceError(
        "BadRequestExceededBatchSize",
        f"Expected a body of at most {SMALL // 1024 // 1024} MB for this operation, received a larger one. "
        "Send it in several requests.",
        status=413,
    )
