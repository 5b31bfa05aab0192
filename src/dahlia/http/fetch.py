"""Images from the web: http and https, from public addresses, bounded in time and size.

A host's name is looked up once, and the address that was checked is the one that is connected to: a name that
changes its mind in between (DNS rebinding) leads nowhere.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, get_args
from urllib.parse import quote, urljoin, urlsplit

import anyio
import h11
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSStream

from dahlia.errors import ConfigError, ServiceError
from dahlia.http.allow_list import NOTHING, AllowList, unwrapped
from dahlia.http.body import MAX_IMAGE

if TYPE_CHECKING:
    from anyio.abc import ByteStream, SocketStream

Reach = Literal["public", "any", "off"]

SECONDS = 15
MAX_REDIRECTS = 5

# Public by its number, but the inner door of a cloud: Azure's host agent.
_REFUSED = frozenset({ipaddress.ip_address("168.63.129.16")})
_UNICAST = ipaddress.ip_network("2000::/3")  # what is given out of IPv6; ::/96, fec0::/10 lie outside
_UNREACHABLE = (OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


class Bring(Protocol):
    """Gives the image at an address, of at most `most` bytes, or raises ServiceError."""

    async def __call__(self, url: str, *, most: int) -> bytes:
        """Bring one."""


@dataclass(frozen=True)
class _Target:
    host: str
    port: int
    tls: bool
    request: h11.Request


def read_reach(environment: Mapping[str, str], name: str) -> Reach:
    """Read from where images may be fetched; `public` where the variable is unset or empty.

    Raises:
        ConfigError: it is something else.
    """
    reach = environment.get(name) or "public"
    if reach not in get_args(Reach):
        raise ConfigError(
            f"{name} must be one of {', '.join(get_args(Reach))}; received {reach!r}. Correct it."
        )
    return cast(Reach, reach)


async def fetch(url: str, reach: Reach, most: int = MAX_IMAGE, allowed: AllowList = NOTHING) -> bytes:
    """The bytes at an address, redirects followed.

    Args:
        url: http or https.
        reach: `public` refuses addresses that are not; `off` refuses all.
        most: bytes that it may have.
        allowed: hosts and networks that are not refused; with `off` they are all that there is.

    Raises:
        ServiceError: it is refused, does not answer in time, answers with an error, or is too large.
    """
    if reach == "off" and not allowed:
        raise _refused(f"this server fetches no images. Its operator can allow hosts with {allowed.setting}")
    try:
        with anyio.fail_after(SECONDS):
            for _ in range(MAX_REDIRECTS + 1):
                answer = await _get(_target(url), reach, most, allowed)
                if isinstance(answer, bytes):
                    return answer
                url = urljoin(url, answer)
    except TimeoutError:
        raise _refused(f"it did not come within {SECONDS} seconds") from None
    except _UNREACHABLE as error:
        raise _refused(f"its host cannot be reached ({str(error) or type(error).__name__})") from error
    except (h11.ProtocolError, ValueError) as error:
        raise _refused(f"its host does not answer in HTTP ({error})") from error
    raise _refused(f"it redirects more than {MAX_REDIRECTS} times")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also where IPv6 wraps an IPv4 address."""
    number = ipaddress.ip_address(address)
    if isinstance(number, ipaddress.IPv6Address):
        wrapped = unwrapped(number)
        if wrapped is not number:
            return is_public(str(wrapped))
        if number.teredo or number not in _UNICAST:
            return False
    return number.is_global and not number.is_multicast and number not in _REFUSED


def _target(url: str) -> _Target:
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").encode("idna").decode()
        tls = parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
    except ValueError as error:
        raise _refused(f"the address cannot be read ({error})") from error
    if parts.scheme not in ("http", "https") or not host:
        raise _refused("the address is not one of http:// or https://")
    path = quote(parts.path or "/", safe="/%:=&~+!$,;'@()*") + (
        f"?{_query(parts.query)}" if parts.query else ""
    )
    name = f"[{host}]" if ":" in host else host
    headers = [
        ("Host", name if port == (443 if tls else 80) else f"{name}:{port}"),
        ("Accept", "image/*"),
        ("Accept-Encoding", "identity"),
        ("User-Agent", "Mozilla/5.0 (compatible; classifier)"),
        ("Connection", "close"),
    ]
    return _Target(host, port, tls, h11.Request(method="GET", target=path, headers=headers))


def _query(query: str) -> str:
    return quote(query, safe="/%:=&~+!$,;'@()*?[]")


async def _get(target: _Target, reach: Reach, most: int, allowed: AllowList) -> bytes | str:
    """The body; or the address that it redirects to."""
    async with await _connect(target, reach, allowed) as stream:
        connection = h11.Connection(h11.CLIENT)
        await stream.send(connection.send(target.request) or b"")
        connection.send(h11.EndOfMessage())
        response: Any = await _next(stream, connection)
        while not isinstance(response, h11.Response):
            response = await _next(stream, connection)
        location = dict(response.headers).get(b"location")
        if response.status_code in (301, 302, 303, 307, 308) and location:
            return location.decode("latin-1")
        if response.status_code != 200:
            raise _refused(f"its host answers with {response.status_code}")
        return await _body(stream, connection, most)


async def _connect(target: _Target, reach: Reach, allowed: AllowList) -> ByteStream:
    found = await anyio.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(place[0]) for *_, place in found)
    usable = [address for address in addresses if _may_ask(target, address, reach, allowed)]
    if not usable:
        named = "is not on this server's list" if reach == "off" else "has no public address"
        raise _refused(f"its host {named}. Its operator can allow hosts and networks with {allowed.setting}")
    *earlier, last = usable
    for address in earlier:
        with contextlib.suppress(OSError):  # another address of the same host may answer
            return await _open(address, target, reach, allowed)
    return await _open(last, target, reach, allowed)


def _may_ask(target: _Target, address: str, reach: Reach, allowed: AllowList) -> bool:
    if reach == "any" or (reach == "public" and is_public(address)):
        return True
    return allowed.admits(target.host, target.port, address)


async def _open(address: str, target: _Target, reach: Reach, allowed: AllowList) -> ByteStream:
    stream = await anyio.connect_tcp(address, target.port)
    try:
        own = reach != "any" and _is_own(stream)
        if own and not allowed.admits(target.host, target.port, address, own=True):
            raise _refused(
                "its host is this server's own machine. Its operator can allow that address with "
                f"{allowed.setting}"
            )
        if not target.tls:
            return stream
        return await TLSStream.wrap(stream, hostname=target.host, standard_compatible=False)
    except BaseException:
        await anyio.aclose_forcefully(stream)
        raise


def _is_own(stream: SocketStream) -> bool:
    """Whether it leads to this machine, whose firewall does not stand between the two ends."""
    ends = (SocketAttribute.local_address, SocketAttribute.remote_address)
    here, there = (stream.extra(end) for end in ends)  # noqa: S610
    return here[0] == there[0]


async def _body(stream: ByteStream, connection: h11.Connection, most: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while isinstance(event := await _next(stream, connection), h11.Data):
        chunks.append(bytes(event.data))
        size += len(event.data)
        if size > most:
            raise ServiceError(
                "BadRequestImageSizeBytes",
                f"Expected an image of at most {most / 1024 / 1024:g} MB at the address, received a "
                "larger one. Scale it down, or save it with a lower quality.",
            )
    return b"".join(chunks)


async def _next(stream: ByteStream, connection: h11.Connection) -> Any:
    while (event := connection.next_event()) is h11.NEED_DATA:
        try:
            connection.receive_data(await stream.receive())
        except anyio.EndOfStream:
            connection.receive_data(b"")
    return event


def _refused(reason: str) -> ServiceError:
    return ServiceError(
        "BadRequestImageUrl",
        f"Expected the address of a photo that can be fetched; {reason}. Check it in a browser, or send the "
        "photo itself.",
    )
