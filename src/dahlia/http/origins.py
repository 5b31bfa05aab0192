"""Web pages of other origins: which ones settings list, what browsers ask, and what pages may read (CORS).

Settings list origins (RFC 6454) as `https://app.example` or `https://*.app.example`. Keys come in headers
that a page must set itself; there are no cookies, and no answer allows credentials.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

from dahlia.errors import ConfigError, ServiceError
from dahlia.http.replies import refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


EVERY, LOOPBACK, NONE = "*", "loopback", "none"

_HOST = r"(?:[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\])"
_ORIGIN = re.compile(
    rf"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<any>\*\.)?(?P<host>{_HOST})(?P<port>:[0-9]{{1,5}})?"
)
_OF_THIS_MACHINE = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True)
class Origins:
    """Origins whose pages may read answers.

    Attributes:
        every: whether all may.
        loopback: whether those of this machine may: localhost, 127.0.0.1 and [::1], at any port.
        exact: single ones, as browsers write them.
        subdomains: beginnings and ends of others, such as `https://` and `.app.example`.
    """

    every: bool = False
    loopback: bool = False
    exact: frozenset[str] = frozenset()
    subdomains: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a list such as `loopback https://app.example`, with spaces or commas between its parts.

        Args:
            text: origins, `https://*.app.example` for all names below one, `loopback`, or one word alone: `*`
                for every origin, `none` (or nothing) for none.

        Raises:
            ConfigError: a part is none of these.
        """
        parts = text.lower().replace(",", " ").split()
        if parts in ([], [NONE]):
            return cls()
        if parts == [EVERY]:
            return cls(every=True)
        found = [_parsed(part) for part in parts if part != LOOPBACK]
        return cls(
            loopback=LOOPBACK in parts,
            exact=frozenset(begin + end for begin, end in found if not end.startswith(".")),
            subdomains=tuple(one for one in found if one[1].startswith(".")),
        )

    def admit(self, origin: str) -> bool:
        """Whether pages of an origin may read answers.

        Args:
            origin: a request's header `Origin`.
        """
        return (
            self.every
            or origin in self.exact
            or (self.loopback and _OF_THIS_MACHINE.fullmatch(origin) is not None)
            or any(_is_below(origin, begin, end) for begin, end in self.subdomains)
        )

    def __or__(self, other: Origins) -> Origins:
        """The origins that are among these or those."""
        return Origins(
            every=self.every or other.every,
            loopback=self.loopback or other.loopback,
            exact=self.exact | other.exact,
            subdomains=self.subdomains + other.subdomains,
        )

    def __str__(self) -> str:
        """As a setting lists them."""
        below = (f"{begin}*{end}" for begin, end in self.subdomains)
        parts = ([LOOPBACK] if self.loopback else []) + sorted((*self.exact, *below))
        return EVERY if self.every else ", ".join(parts) or NONE

    def __bool__(self) -> bool:
        """Whether there is any."""
        return self != NOBODY


NOBODY = Origins()


def read_origins(environment: Mapping[str, str], name: str, *, has_key: bool) -> Origins:
    """Read the variable that lists whose pages may ask for predictions.

    Args:
        environment: an empty variable counts as unset.
        name: of the variable.
        has_key: whether a prediction needs a key: then pages of every origin may ask by default, otherwise
            those of this machine.

    Raises:
        ConfigError: it cannot be used.
    """
    try:
        return Origins.read(environment.get(name, "").strip() or (EVERY if has_key else LOOPBACK))
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None


def _is_below(origin: str, begin: str, end: str) -> bool:
    name = origin.removeprefix(begin).removesuffix(end)
    return origin == begin + name + end and re.fullmatch(_HOST, name) is not None


def _parsed(text: str) -> tuple[str, str]:
    """Scheme and the rest, which begins with a dot where names below it are meant."""
    match = _ORIGIN.fullmatch(text)
    if match is None:
        raise ConfigError(_complaint(text))
    port = match["port"] or ""
    if port == _DEFAULT_PORTS.get(match["scheme"]):  # browsers leave it out
        port = ""
    return f"{match['scheme']}://", f"{'.' if match['any'] else ''}{match['host']}{port}"


def _complaint(text: str) -> str:
    if text in (EVERY, NONE):
        return f"Expected `{text}` alone, received it among origins. Leave out either it or the others."
    near = _nearest(text if "://" in text else f"https://{text}")
    write = near if _ORIGIN.fullmatch(near) else "https://app.example"
    return (
        f"Expected origins of web pages, each a scheme, a name and perhaps a port, received {text!r}. "
        f"Write `{write}`, without a path or a slash at the end; `https://*.app.example` for all names below "
        f"one, `{LOOPBACK}` for pages of this machine, `{EVERY}` for every origin, `{NONE}` for none."
    )


def _nearest(address: str) -> str:
    """The origin of an address, its name as browsers write it."""
    try:
        name = urlsplit(address).netloc.encode("idna").decode()
    except ValueError:
        return ""
    return f"{address.partition('://')[0]}://{name}"


MAX_AGE = 7200  # seconds for which a browser remembers what it asked; Chrome takes no more
EXPOSED = (
    "apim-request-id, request-id, retry-after, content-disposition, dahlia-place, dahlia-reasons, "
    "dahlia-seconds-left, dahlia-stage, dahlia-stored"
)

_ORIGIN_HEADER, _METHOD = b"origin", b"access-control-request-method"
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
        origin = headers[_ORIGIN_HEADER].decode("latin-1") if _ORIGIN_HEADER in headers else None
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
