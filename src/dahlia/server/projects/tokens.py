"""Tokens that allow copying a project: signed texts that name it."""

from __future__ import annotations

import base64
import binascii
import uuid
from datetime import datetime

from dahlia.server.contract.errors import ServiceError
from dahlia.server.storage.links import Links

VALID = 24 * 3600
"""Seconds, as in the original."""

_PATH = "/copies/"  # signed paths of files begin otherwise, so that none of them is a token


def make_token(links: Links, project_id: str, now: datetime) -> str:
    """A token that is valid for a day, in letters that URLs take as they are."""
    query = links.sign(_PATH + project_id, int(now.timestamp()) + VALID)
    return base64.urlsafe_b64encode(f"{project_id}?{query}".encode()).rstrip(b"=").decode()


def read_token(links: Links, token: str, now: datetime) -> str:
    """The id of the project that a token names.

    Raises:
        ServiceError: it was not made by this server, or has expired.
    """
    try:
        padded = token + "=" * (-len(token) % 4)
        text = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True).decode("ascii")
        identity, _, query = text.partition("?")
        project_id = str(uuid.UUID(identity))
    except (binascii.Error, ValueError):
        raise invalid_token("one that is cut off, changed, or another server's") from None
    try:
        links.check(_PATH + project_id, query, now)
    except ServiceError:
        raise invalid_token("one that has expired, or another server's") from None
    return project_id


def invalid_token(received: str) -> ServiceError:
    """A token that nothing can be imported with.

    Args:
        received: what it is instead.
    """
    return ServiceError(
        "BadRequestInvalidImportToken",
        f"Expected a token that export_project of this server gave within the last day, received {received}. "
        "Ask for a new one, and percent-encode it where your client does not.",
    )
