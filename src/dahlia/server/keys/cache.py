"""Keys that were looked up a moment ago: predictions come too often to ask the database about each."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import anyio
from starlette.datastructures import Headers

from dahlia.http.key_texts import keys_in
from dahlia.server.context import Server
from dahlia.server.http.access import identify
from dahlia.server.keys.scopes import Access

SECONDS = 1.0  # for which a key goes on after it was revoked
_MOST = 1000


class KnownKeys:
    """What keys allow, as it was at most `SECONDS` ago; used by one event loop.

    Args:
        server: knows the keys.
        clock: seconds that never go back.
    """

    def __init__(self, server: Server, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._known: dict[bytes, tuple[float, Access]] = {}

    async def identify(self, headers: Headers, query: bytes = b"") -> Access:
        """Whose key a request brings.

        Args:
            headers: of the request.
            query: of the request, for the refusal.

        Raises:
            GatewayError: it brings none, or one that is unknown or revoked.
            DatabaseError: the database cannot be asked.
        """
        given = _digest(headers)
        since, access = self._known.get(given, (0.0, None))
        now = self._clock()
        if access and now - since < SECONDS:
            return access
        access = await anyio.to_thread.run_sync(identify, self._server, headers, query, "Prediction-Key")
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[given] = now, access
        return access


def _digest(headers: Headers) -> bytes:
    # The keys themselves are not kept, here either.
    given = "\n".join(keys_in(headers))
    return hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
