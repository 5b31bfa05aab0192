"""Images behind links that this server signed: read from its storage, since it need not ask itself for them.

The signature is what allows it, as it is for everybody who has the link: no key, scope or setting of fetching
counts beside it, and nothing is fetched. Only images, thumbnails and scaled-down images are given.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

import anyio.to_thread

from dahlia.errors import ServiceError
from dahlia.http.fetch import fetch, is_public
from dahlia.http.form_images import too_large
from dahlia.server.host_names import HostNames
from dahlia.server.http.addresses import FILES
from dahlia.server.http.files import stored_bytes
from dahlia.server.storage.names import IMAGES, RESIZED, THUMBNAILS

if TYPE_CHECKING:
    from dahlia.server.context import Server

_KEY = re.compile(rf"(?:{IMAGES}|{THUMBNAILS}|{RESIZED})/[0-9a-f]{{2}}/[0-9a-f]{{64}}\.[a-z0-9]{{1,8}}")


class Web:
    """Where images at addresses come from, for one request.

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


def _place(parts: SplitResult) -> tuple[str, int]:
    return (parts.hostname or "").removesuffix("."), parts.port or (443 if parts.scheme == "https" else 80)


def _refusal(received: str) -> ServiceError:
    return ServiceError(
        "BadRequestImageUrl",
        f"Expected a link of this server to an image that is there and has not expired, received {received}. "
        "Ask for the image again, and use the new link as it is.",
    )
