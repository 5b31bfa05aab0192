"""Addresses of files that clients get: signed, so that they need no key."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import Request

from dahlia.server.context import Server
from dahlia.server.images.validation import RESIZED_EDGE
from dahlia.server.storage.names import image_key, resized_key, thumbnail_key

FILES = "/files/"


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
