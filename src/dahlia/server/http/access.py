"""The key of a request, and what it may do.

Predictions come too often to ask the database about the key of each: what it answered counts for a moment.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Annotated

import anyio
from fastapi import Depends, Request
from starlette.datastructures import Headers

from dahlia.errors import GatewayError, ServiceError
from dahlia.http.replies import access_denied, keys_in
from dahlia.server.context import Server
from dahlia.server.http.requests import REFUSAL, SENT_QUERY
from dahlia.server.keys.keys import Access, Scope, find_access

NO_ADDITIONS = frozenset(
    {
        "cancel_job",
        "cancel_training",
        "explain_image",
        "explain_image_url",
        "explain_stored_image",
        "get_image_region_proposals",
        "query_predictions",
        "query_suggested_image_count",
        "query_suggested_images",
        "quick_test_image",
        "quick_test_image_url",
    }
)
"""Operations that are a POST and need no room; all others that are one are refused on a full disk."""
KNOWN_SECONDS = 1.0  # for which a key goes on after it was revoked
_ACCESS = "access"  # the name in a request's state
_MOST = 1000


def server_of(request: Request) -> Server:
    """The server that answers."""
    server: Server = request.app.state.server
    return server


def requires(scope: Scope | None) -> Callable[[Request], Access]:
    """A dependency that lets a request in whose key opens `scope` for the project in its path.

    Args:
        scope: None for any key.
    """

    def admit(request: Request) -> Access:
        server = server_of(request)
        query = getattr(request.state, SENT_QUERY, b"")
        access = getattr(request.state, _ACCESS, None) or identify(server, request.headers, query)
        server.rates.take(access.key_id, "the training API", server.settings.rates.training_calls)
        if scope is not None:
            allow(access, scope, request.path_params.get("project_id"))
        if refusal := getattr(request.state, REFUSAL, None):
            raise refusal
        if request.method == "POST" and request.scope["route"].name not in NO_ADDITIONS:
            server.space.require()
        return access

    return admit


def identify_early(request: Request) -> None:
    """See whose key a request brings before anything is done for it; the operation need not ask again.

    Raises:
        GatewayError: it brings none, or one that is unknown or revoked.
    """
    access = identify(server_of(request), request.headers, request.scope["query_string"])
    setattr(request.state, _ACCESS, access)


def allow(access: Access, scope: Scope, project_id: str | None) -> None:
    """Let a key do an operation.

    Raises:
        ServiceError: the key does not allow it.
    """
    if not access.opens(scope, project_id):
        where = f" for the project {project_id}" if project_id else ""
        limited = " for one project" if access.project_id else ""
        header = "Prediction-Key" if scope is Scope.PREDICTION else "Training-Key"
        raise ServiceError(
            "ForbiddenUserInsufficientCapability",
            f"The key may not do this: it has the scope `{access.scope}`{limited}, and this operation needs "
            f"`{scope}`{where}. Send a key with that scope in the header {header}. `dahlia keys list` lists "
            "the keys, `dahlia keys create` makes one.",
        )


def identify(server: Server, headers: Headers, query: bytes = b"", expected: str = "Training-Key") -> Access:
    """Whose key a request brings.

    Args:
        server: knows the keys.
        headers: of the request.
        query: of the request, for the refusal.
        expected: the header that the route's clients use, for the refusal.

    Raises:
        GatewayError: it brings none, or one that is unknown or revoked.
    """
    with server.database.read() as session:
        for text in keys_in(headers):
            if access := find_access(session, text, server.now()):
                return access
    text = access_denied(expected, headers, query)
    raise GatewayError(401, f"{text} `dahlia keys create` makes one.")


Administers = Annotated[Access, Depends(requires(Scope.ADMIN))]
AnyKey = Annotated[Access, Depends(requires(None))]
Reads = Annotated[Access, Depends(requires(Scope.READ))]
Trains = Annotated[Access, Depends(requires(Scope.TRAINING))]
TheServer = Annotated[Server, Depends(server_of)]


class KnownKeys:
    """What keys allow, as it was at most `KNOWN_SECONDS` ago; used by one event loop.

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
        if access and now - since < KNOWN_SECONDS:
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
