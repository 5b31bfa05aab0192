"""Keys: made, found, rotated, revoked. Of a key only its hash is kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import ConfigError
from dahlia.server.database.tables import KeyRow
from dahlia.server.database.types import new_id
from dahlia.server.keys.scopes import Access, Scope

_BYTES = 24
_HINT = 4


def create_key(
    session: Session,
    name: str,
    scope: Scope,
    project_id: str | None,
    now: datetime,
    lifetime: timedelta | None = None,
) -> tuple[KeyRow, str]:
    """Make a key.

    Args:
        session: writes.
        name: by which people know it.
        scope: what it opens.
        project_id: the only project that it opens; None for all.
        now: the time.
        lifetime: after which it ends by itself; None for never.

    Returns:
        Its row, and the key itself, which is not kept: show it once.

    Raises:
        ConfigError: the scope is `admin`, which is not for one project.
    """
    if scope is Scope.ADMIN and project_id is not None:
        raise ConfigError(
            "Expected a key of scope admin for all projects, received one for a single project. Leave the "
            "project out, or choose the scope training."
        )
    text = secrets.token_hex(_BYTES)
    row = KeyRow(
        id=new_id(),
        name=name,
        hash=_hash(text),
        hint=text[-_HINT:],
        scope=scope,
        project_id=project_id,
        created=now,
        expires=None if lifetime is None else now + lifetime,
        revoked=None,
    )
    session.add(row)
    session.flush()
    return row, text


def create_first_keys(session: Session, now: datetime) -> dict[Scope, str]:
    """A training and a prediction key where there has never been any; else nothing.

    Returns:
        The keys themselves, which are not kept.
    """
    if session.scalar(select(KeyRow.key).limit(1)) is not None:
        return {}
    return {
        scope: create_key(session, f"first {scope} key", scope, None, now)[1]
        for scope in (Scope.TRAINING, Scope.PREDICTION)
    }


def find_access(session: Session, text: str, now: datetime) -> Access | None:
    """What a key opens; None for one that is unknown, revoked or expired."""
    wanted = _hash(text)
    row = session.scalar(select(KeyRow).where(KeyRow.hash == wanted, KeyRow.revoked.is_(None)))
    if row is None or not hmac.compare_digest(row.hash, wanted):
        return None
    if row.expires is not None and row.expires <= now:
        return None
    return Access(row.id, Scope(row.scope), row.project_id, row.expires)


def list_keys(session: Session) -> list[KeyRow]:
    """Every key that there ever was, the oldest first."""
    return list(session.scalars(select(KeyRow).order_by(KeyRow.key)))


def revoke_key(session: Session, which: str, now: datetime) -> KeyRow:
    """End a key at once.

    Args:
        session: writes.
        which: its id, or the beginning of it.
        now: the time.

    Raises:
        ConfigError: no key in use, or more than one, has such an id.
    """
    row = _in_use(session, which)
    row.revoked = now
    session.flush()
    return row


def rotate_key(
    session: Session, which: str, now: datetime, lifetime: timedelta | None = None
) -> tuple[KeyRow, str]:
    """Put a new key of the same name, scope and project in the place of one, which ends at once.

    Args:
        session: writes.
        which: its id, or the beginning of it.
        now: the time.
        lifetime: of the new key; as long as that of the old one where it is left out.

    Raises:
        ConfigError: see `revoke_key`.
    """
    old = revoke_key(session, which, now)
    lifetime = lifetime_of(old) if lifetime is None else lifetime
    return create_key(session, old.name, Scope(old.scope), old.project_id, now, lifetime)


def lifetime_of(row: KeyRow) -> timedelta | None:
    """From a key's making to its end; None where it has no end."""
    return row.expires - row.created if row.expires else None


def _in_use(session: Session, which: str) -> KeyRow:
    # Locked: of two that end one key at once on PostgreSQL, the second finds none.
    in_use = select(KeyRow).where(KeyRow.revoked.is_(None)).order_by(KeyRow.key).with_for_update()
    rows = session.scalars(in_use).all()
    found = [row for row in rows if which and row.id.startswith(which.lower())]
    if len(found) != 1:
        known = ", ".join(f"{row.id[:8]} ({row.name})" for row in rows) or "none"
        raise ConfigError(
            f"Expected the id of a key in use, or the beginning of one, received {which!r}, which fits "
            f"{len(found)}. In use: {known}."
        )
    return found[0]


def _hash(text: str) -> str:
    # Keys are random, so a slow hash would add nothing.
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
