"""Links that sign a browser in once: it gets a key of its own, which ends by itself.

The token is in the fragment of the link's address, which browsers send to no server, so that no log has it.
Of a token only its hash is kept, and that until it is used.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete
from sqlalchemy.orm import Session

from dahlia.errors import GatewayError
from dahlia.server.context import Server
from dahlia.server.database.tables import KeyRow, SignInLinkRow
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import Access, Scope, create_key

if TYPE_CHECKING:
    from dahlia.settings.sections import ServerSection

LINK_HOURS = 24
KEY_HOURS = 12
_BYTES = 24
_PER_SECOND = 5.0  # of one address; a token cannot be guessed, this bounds what guessing costs
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (of the address that is printed)


def create_link(session: Session, now: datetime) -> str:
    """Make a link that is good once, for `LINK_HOURS`.

    Args:
        session: writes.
        now: the time.

    Returns:
        Its token, which is not kept.
    """
    session.execute(delete(SignInLinkRow).where(SignInLinkRow.expires <= now))
    token = secrets.token_urlsafe(_BYTES)
    session.add(SignInLinkRow(hash=_hash(token), expires=now + timedelta(hours=LINK_HOURS)))
    session.flush()
    return token


def link_line(section: ServerSection, token: str, port: int | None = None) -> str:
    """What is printed of a link.

    Args:
        section: says under which address the server is reached.
        token: of the link.
        port: on which the server listens; that of the settings where it is left out.
    """
    host = _EVERY_ADDRESS.get(section.host, section.host)
    host = f"[{host}]" if ":" in host else host
    own = f"{'https' if section.tls_cert else 'http'}://{host}:{port or section.port}"
    base = (section.public_url or own).rstrip("/")
    return f"Open {base}/#/sign-in/{token} (works once, for {LINK_HOURS} hours)."


def sign_in(session: Session, server: Server, token: str) -> tuple[KeyRow, str]:
    """Use a link up, and make the browser's key, of scope admin, which ends after `KEY_HOURS`.

    Args:
        session: writes.
        server: has the time.
        token: of the link.

    Returns:
        The key's row, and the key itself, which is not kept.

    Raises:
        GatewayError: the link is unknown, was used, or has expired.
    """
    now = server.now()
    # One statement: of two that use a link at once, the database lets one have it. It compares hashes, so
    # that the time it takes tells nothing about tokens.
    wanted = SignInLinkRow.hash == _hash(token), SignInLinkRow.expires > now
    if session.scalar(delete(SignInLinkRow).where(*wanted).returning(SignInLinkRow.hash)) is None:
        raise GatewayError(
            401,
            f"Expected a sign-in link that is at most {LINK_HOURS} hours old and was not used yet, received "
            "another one. `dahlia keys link`, on the server's machine, prints one; or sign in with a key.",
        )
    name = f"portal, {now:%Y-%m-%d}"
    row, text = create_key(session, name, Scope.ADMIN, None, now, timedelta(hours=KEY_HOURS))
    record(session, server, Access(row.id, Scope.ADMIN, None), "sign_in", None, key=row.id, scope=row.scope)
    return row, text


def check_pace(server: Server, address: str) -> None:
    """Bound how often one address tries.

    Raises:
        GatewayError: too often.
    """
    try:
        server.rates.take(address, "sign-in", _PER_SECOND)
    except GatewayError:
        raise GatewayError(
            429, "Too many attempts to sign in. Wait a second, then try again.", retry_after=1
        ) from None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
