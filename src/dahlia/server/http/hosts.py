"""The name under which a request reached the server, before anything else is looked at."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dahlia.server.contract.errors import ServiceError
from dahlia.server.http.replies import refuse
from dahlia.serving.http.lingering import Incoming
from dahlia.serving.http.lingering import refuse as refuse_and_linger
from dahlia.serving.http.replies import REQUEST

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from dahlia.server.host_names import HostNames

_MISDIRECTED = 421
_SHOWN = 100  # characters of a name in a message
# Load balancers ask by whatever name they have; the answers name no host and say no more than a port does.
_ANY_NAME = ("/healthz", "/readyz")

_logger = logging.getLogger("dahlia.server")


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
        error = _refusal(_hosts(scope))
        _logger.info("Request %s: %d. %s", REQUEST.get(), error.status, error)
        await refuse_and_linger(refuse(error), scope, Incoming(receive), send)

    def _admits(self, scope: Scope) -> bool:
        hosts = _hosts(scope)
        if not hosts:
            return True  # of HTTP/1.0: links then begin with the address at which it came in
        return len(hosts) == 1 and self._names.admit(hosts[0], (scope.get("server") or ("",))[0])


def _hosts(scope: Scope) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]


def _refusal(hosts: list[str]) -> ServiceError:
    received = " and ".join(ascii(host[:_SHOWN]) for host in hosts[:2])
    return ServiceError(
        "BadRequestInvalid",
        f"Expected a request to a name of this server, received one to {received}. If clients are to use "
        "that name, set DAHLIA_SERVER_ALLOWED_HOSTS, or DAHLIA_SERVER_PUBLIC_URL to the address that they "
        "have, and restart the server.",
        status=_MISDIRECTED,
    )
