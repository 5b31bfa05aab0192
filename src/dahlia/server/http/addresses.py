"""The server's addresses: the names under which it may be reached, signed links to files, images behind them.

A link is signed, so that it needs no key. It begins with the name that the client used. A page of another
site whose name suddenly leads to this machine (DNS rebinding) uses its own name; the answer to a forged one
could be kept by a cache.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeAlias
from urllib.parse import SplitResult, quote, unquote, urlsplit

import anyio.to_thread
from fastapi import Request

from dahlia.errors import ServiceError
from dahlia.http.fetch import fetch, is_public
from dahlia.http.form_images import too_large
from dahlia.server.context import Server
from dahlia.server.http.files import stored_bytes
from dahlia.server.http.middleware import FILES
from dahlia.server.images.validation import RESIZED_EDGE
from dahlia.server.storage.names import IMAGES, RESIZED, THUMBNAILS, image_key, resized_key, thumbnail_key
from dahlia.settings.values import listed

if TYPE_CHECKING:
    from dahlia.settings.sections import ServerSection

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,254})(?::[0-9]{0,5})?")
_KEY = re.compile(rf"(?:{IMAGES}|{THUMBNAILS}|{RESIZED})/[0-9a-f]{{2}}/[0-9a-f]{{64}}\.[a-z0-9]{{1,8}}")


class Addresses:
    """Signed addresses below the server's own address, as the client of a request sees it.

    Args:
        server: signs them.
        base: such as `http://127.0.0.1:3000`.
    """

    def __init__(self, server: Server, base: str) -> None:
        self._server = server
        self._base = base.rstrip("/")
        self._expires = server.links.expiry(server.now())

    @classmethod
    def of(cls, server: Server, request: Request) -> Addresses:
        """For the answer to a request."""
        return cls(server, server.settings.server.public_url or str(request.base_url))

    def file(self, key: str) -> str:
        """The address of a file in the storage."""
        path = FILES + key
        return f"{self._base}{quote(path)}?{self._server.links.sign(path, self._expires)}"

    def original(self, sha256: str, suffix: str) -> str:
        """The address of an image as it was uploaded."""
        return self.file(image_key(sha256, suffix))

    def resized(self, sha256: str, suffix: str, width: int, height: int) -> str:
        """The address of an image of at most `RESIZED_EDGE` pixels; the original's where it is no larger."""
        if max(width, height) <= RESIZED_EDGE:
            return self.original(sha256, suffix)
        return self.file(resized_key(sha256))

    def thumbnail(self, sha256: str) -> str:
        """The address of a thumbnail."""
        return self.file(thumbnail_key(sha256))


@dataclass(frozen=True)
class HostNames:
    """Names that clients may use.

    Attributes:
        names: in lower case, and addresses in their shortest spelling.
        endings: what names of subdomains end in, such as `.example.com`.
        every: whether any name may be used.
    """

    names: frozenset[str]
    endings: tuple[str, ...]
    every: bool

    @classmethod
    def of(cls, section: ServerSection) -> Self:
        """Those of this machine, of the settings' own addresses, and those that the settings add."""
        patterns = listed(section.allowed_hosts)
        own = {"localhost", section.host.lower(), *_names_of_this_machine()}
        if section.public_url:
            own.add(urlsplit(section.public_url).hostname or "")
        own |= {pattern for pattern in patterns if "*" not in pattern}
        return cls(
            names=frozenset(_spelled(name) for name in own),
            endings=tuple(pattern[1:] for pattern in patterns if pattern.startswith("*.")),
            every="*" in patterns,
        )

    def admit(self, host: str, reached: str) -> bool:
        """Whether a request may be answered.

        Args:
            host: its header `Host`.
            reached: the address of this machine at which it came in.
        """
        match = _HOST.fullmatch(host.lower())
        if match is None:
            return False
        name = match["name"].removesuffix(".")
        address = _address(name)
        if name.startswith("[") and address is None:
            return False
        if address is not None and (address.is_loopback or address == _address(reached.partition("%")[0])):
            return True
        return self.every or _spelled(name) in self.names or name.endswith(self.endings)

    def knows(self, name: str) -> bool:
        """Whether it is one of the names themselves, which `every` does not make of another."""
        name = name.lower().removesuffix(".")
        return _spelled(name) in self.names or name.endswith(self.endings)


class Web:
    """Where images at addresses come from, for one request: links of this server are read from its storage.

    The signature allows it, as it does for everybody who has the link: no key, scope or setting of
    fetching counts beside it. Only images, thumbnails and scaled-down images are given.

    Args:
        server: has the storage and the settings.
        host: the request's header `Host`; empty where it has none.
    """

    def __init__(self, server: Server, host: str) -> None:
        self._server = server
        self._host = host

    async def bring(self, url: str, *, most: int) -> bytes:
        """The image at an address: from the storage where the address is a link of this server.

        Args:
            url: http or https.
            most: bytes that it may have.

        Raises:
            ServiceError: there is none, it is refused, or too large.
            StorageError: the storage cannot be used.
        """
        if FILES in url:
            image = await anyio.to_thread.run_sync(self._own, url, most)
            if image is not None:
                return image
        security = self._server.settings.security
        return await fetch(url, security.url_fetch, most, security.allow_list)

    def _own(self, url: str, most: int) -> bytes | None:
        """The image behind a link of this server; None for another address."""
        try:
            parts = urlsplit(url.strip())
            key, is_here = self._key(parts), self._is_here(parts)
        except ValueError:
            return None
        if not key or not (is_here or self._may_be_here(parts.hostname or "")):
            return None
        expires = self._server.links.signed_until(FILES + key, parts.query)
        if expires is None and not is_here:
            return None  # another server's, which may be allowed
        if expires is None:
            raise _refusal("one whose signature is missing or not right")
        if self._server.now().timestamp() >= expires:
            raise _refusal("one that has expired")
        if not _KEY.fullmatch(key):
            raise _refusal("one to something else than an image")
        return self._read(key, most)

    def _key(self, parts: SplitResult) -> str:
        prefix = urlsplit(self._server.settings.server.public_url or "").path
        path = unquote(parts.path)
        if prefix and path.startswith(prefix + FILES):
            path = path.removeprefix(prefix)
        is_link = parts.scheme in ("http", "https") and path.startswith(FILES)
        return path.removeprefix(FILES) if is_link else ""

    def _may_be_here(self, name: str) -> bool:
        """Whether it names this machine; an address of the own network may, seen from outside a container."""
        try:
            return not is_public(str(ipaddress.ip_address(name)))
        except ValueError:
            return HostNames.of(self._server.settings.server).knows(name)

    def _is_here(self, parts: SplitResult) -> bool:
        """Whether it is an address under which this server answers, its port included."""
        here = _place(parts)
        settings = self._server.settings.server
        asked = [f"{parts.scheme}://{self._host}", settings.public_url or ""]
        known = HostNames.of(settings).knows(here[0]) and here[1] == settings.port
        return known or here in (_place(urlsplit(one)) for one in asked if one)

    def _read(self, key: str, most: int) -> bytes:
        try:
            image = stored_bytes(self._server, key, most)
        except ServiceError:
            raise _refusal("one to an image that was deleted") from None
        if image is None:
            raise too_large(most)
        return image


def _names_of_this_machine() -> set[str]:
    # Its full name is not looked up: where no name server answers, that takes seconds.
    name = socket.gethostname().lower().removesuffix(".")
    short = name.partition(".")[0]
    return {name, short, f"{short}.local"} - {""}


def _spelled(name: str) -> str:
    address = _address(name)
    return name if address is None else str(address)


def _address(name: str) -> IPAddress | None:
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _place(parts: SplitResult) -> tuple[str, int]:
    return (parts.hostname or "").removesuffix("."), parts.port or (443 if parts.scheme == "https" else 80)


def _refusal(received: str) -> ServiceError:
    return ServiceError(
        "BadRequestImageUrl",
        f"Expected a link of this server to an image that is there and has not expired, received {received}. "
        "Ask for the image again, and use the new link as it is.",
    )
