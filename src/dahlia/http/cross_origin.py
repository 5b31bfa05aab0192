"""Web pages of other origins: what browsers ask before a request, and what pages may read (CORS).

Keys come in headers that a page must set itself; there are no cookies, and no answer allows credentials.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

from dahlia.errors import ServiceError
from dahlia.http.origins import EVERY, Origins
from dahlia.http.replies import refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_AGE = 7200  # seconds for which a browser remembers what it asked; Chrome takes no more
EXPOSED = (
    "apim-request-id, request-id, retry-after, content-disposition, dahlia-place, dahlia-reasons, "
    "dahlia-seconds-left, dahlia-stage, dahlia-stored"
)

_ORIGIN, _METHOD = b"origin", b"access-control-request-method"
_ALLOW_ORIGIN = "access-control-allow-origin"
_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,2000}")
# Names that nobody far away can make lead here, as a page does with its own name (DNS rebinding).
_OF_NO_STRANGER = re.compile(r"(?:[0-9.]+|\[[0-9a-f:.]+\]|[a-z0-9-]+(?:\.local)?)(?::[0-9]{1,5})?")
_SHOWN = 100  # characters of an origin in a message
_USUAL_NAMES = (
    "content-type, prediction-key, training-key, ocp-apim-subscription-key, x-ms-client-request-id, "
    "x-ms-useragent"
)


@dataclass(frozen=True)
class Policy:
    """Who may read the answers of some routes.

    Attributes:
        origins: whose pages may.
        methods: that the routes have, such as `GET, POST`.
        setting: that allows further origins, for the refusal.
        always: whether every answer says so, to pages or not: one that a browser keeps from an `<img>` is
            what a `fetch` of the same address gets.
    """

    origins: Origins
    methods: str
    setting: str
    always: bool = False

    def complaint(self, headers: Headers) -> str:
        """Why the page that sends a request may not; empty where it may, or where no page does.

        Pages of the server's own address may always, where that is an IP address or a name of its network.
        """
        origin = headers.get("origin")
        if origin is None or self.origins.admit(origin) or _is_same(origin, headers):
            return ""
        return (
            "Expected a request of a page whose origin is allowed, received one of "
            f"{origin[:_SHOWN]!a}. Set {self.setting} to the origins of your pages, and restart."
        )


class CrossOrigin:
    """ASGI application: answers what browsers ask before a request, and lets pages read answers, errors too.

    Args:
        app: what is behind it.
        policy_of: the policy for a request; None where no page of another origin may read the answer.
    """

    def __init__(self, app: ASGIApp, policy_of: Callable[[Scope], Policy | None]) -> None:
        self._app = app
        self._policy_of = policy_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        policy = self._policy_of(scope) if scope["type"] == "http" else None
        if policy is None:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin = headers[_ORIGIN].decode("latin-1") if _ORIGIN in headers else None
        if origin is not None and scope["method"] == "OPTIONS" and _METHOD in headers:
            await _preflight(policy, origin, Headers(scope=scope))(scope, receive, send)
        elif not policy.origins or (origin is None and policy.origins.every and not policy.always):
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, _readable(send, policy.origins, origin))


def readable_by_all(origins: Origins) -> dict[str, str]:
    """Headers of answers that are given before it is known who asks; none where not every page may read."""
    return {_ALLOW_ORIGIN: EVERY, "access-control-expose-headers": EXPOSED} if origins.every else {}


def _readable(send: Send, origins: Origins, origin: str | None) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            _allow(MutableHeaders(scope=message), origins, origin)
        await send(message)

    return sending


def _allow(headers: MutableHeaders, origins: Origins, origin: str | None) -> None:
    if origins.every:
        headers.update(readable_by_all(origins))
        return
    headers.add_vary_header("Origin")
    if origin is not None and origins.admit(origin):
        headers[_ALLOW_ORIGIN] = origin
        headers["access-control-expose-headers"] = EXPOSED


def _preflight(policy: Policy, origin: str, asked: Headers) -> Response:
    if complaint := policy.complaint(asked):
        answer = refusal(ServiceError("Forbidden", complaint))
        answer.headers["vary"] = "Origin"
        return answer
    answer = Response(status_code=204)
    _allow(answer.headers, policy.origins, origin)
    wanted = asked.get("access-control-request-headers", "")
    answer.headers["access-control-allow-methods"] = policy.methods
    answer.headers["access-control-allow-headers"] = wanted if _NAMES.fullmatch(wanted) else _USUAL_NAMES
    answer.headers["access-control-max-age"] = str(MAX_AGE)
    if asked.get("access-control-request-private-network") == "true":
        answer.headers["access-control-allow-private-network"] = "true"
    return answer


def _is_same(origin: str, headers: Headers) -> bool:
    # A proxy may ask by another name than the browser did; what the browser then says no page can forge.
    if headers.get("sec-fetch-site") == "same-origin":
        return True
    host = origin.partition("://")[2]
    return host == headers.get("host") and _OF_NO_STRANGER.fullmatch(host) is not None
