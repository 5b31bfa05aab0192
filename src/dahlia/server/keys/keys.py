"""Keys and what they allow: made, found, rotated, revoked. Of a key only its hash is kept.

With a key, none is made that may do more, or lives longer, than that one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import ConfigError, ServiceError
from dahlia.server.context import Server
from dahlia.server.database.changes import project_of
from dahlia.server.database.tables import KeyRow
from dahlia.server.database.types import new_id
from dahlia.server.keys.audit import record

_BYTES = 24
_HINT = 4


class Scope(StrEnum):
    """What a key opens.

    `admin` opens everything, `training` all but keys, audit log and jobs of the server, `prediction`
    predictions, `read` what changes nothing of the training API.
    """

    ADMIN = "admin"
    TRAINING = "training"
    PREDICTION = "prediction"
    READ = "read"

    @classmethod
    def _missing_(cls, value: object) -> Scope | None:
        wanted = value.lower() if isinstance(value, str) else None
        return next((scope for scope in cls if scope == wanted), None)


@dataclass(frozen=True)
class Access:
    """What the key of a request allows.

    Attributes:
        key_id: of the key.
        scope: what it opens.
        project_id: the only project that it opens; None for all.
        expires: when the key ends by itself; None for never.
    """

    key_id: str
    scope: Scope
    project_id: str | None
    expires: datetime | None = None

    def opens(self, needed: Scope, project_id: str | None) -> bool:
        """Whether it allows an operation.

        Args:
            needed: the operation's scope.
            project_id: the operation's project; None for those of no project, for which a key of one project
                is good only where nothing is changed.
        """
        elsewhere = self.project_id is not None and project_id != self.project_id
        if elsewhere and (project_id is not None or needed is not Scope.READ):
            return False
        if needed is Scope.ADMIN:
            return self.scope is Scope.ADMIN
        return self.scope in (Scope.ADMIN, Scope.TRAINING, needed)


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


def key_of(session: Session, identity: str) -> KeyRow:
    """A key by its id, revoked ones too.

    Raises:
        ServiceError: there is none.
    """
    row = session.scalar(select(KeyRow).where(KeyRow.id == identity))
    if row is None:
        raise ServiceError(
            "NotFound", f"Key not found: there is no key {identity} here. List the keys, and take its id."
        )
    return row


def keys_page(session: Session, take: int, below: int | None, project_id: str | None) -> list[KeyRow]:
    """Keys, the newest first.

    Args:
        session: to read with.
        take: how many at most.
        below: the number of a key, of which only earlier ones are wanted; None for all.
        project_id: those that are restricted to a project; None for all.
    """
    chosen = select(KeyRow).order_by(KeyRow.key.desc()).limit(take)
    if below is not None:
        chosen = chosen.where(KeyRow.key < below)
    if project_id is not None:
        chosen = chosen.where(KeyRow.project_id == project_id)
    return list(session.scalars(chosen))


def grant_key(
    session: Session,
    server: Server,
    access: Access,
    name: str,
    scope: Scope,
    project_id: str | None,
    lifetime: timedelta | None,
) -> tuple[KeyRow, str]:
    """Make a key; see `create_key`.

    Raises:
        ServiceError: there is no such project, the scope is not for one, or the caller's key ends before.
    """
    now = server.now()
    if scope is Scope.ADMIN and project_id is not None:
        raise ServiceError(
            "BadRequestInvalid",
            "Expected a key of scope admin for all projects, received one for a single project. Leave "
            "projectId out, or choose the scope training.",
        )
    identity = project_of(session, project_id).id if project_id else None
    _check_end(access, None if lifetime is None else now + lifetime)
    row, text = create_key(session, name, scope, identity, now, lifetime)
    record(session, server, access, "create_key", identity, key=row.id, scope=scope)
    return row, text


def replace_key(session: Session, server: Server, access: Access, identity: str) -> tuple[KeyRow, str]:
    """Put a new key in the place of one, which ends at once; of the caller's own key the end stays.

    Raises:
        ServiceError: there is no such key, it has ended, or the caller's key ends before the new one would.
    """
    now = server.now()
    old = _active(session, identity, now)
    lifetime = lifetime_of(old)
    if old.id == access.key_id and old.expires:
        lifetime = old.expires - now
    _check_end(access, None if lifetime is None else now + lifetime)
    row, text = rotate_key(session, old.id, now, lifetime)
    record(session, server, access, "rotate_key", row.project_id, key=row.id, replaced=old.id)
    return row, text


def end_key(session: Session, server: Server, access: Access, identity: str) -> KeyRow:
    """Revoke a key.

    Raises:
        ServiceError: there is no such key, or it has ended.
    """
    now = server.now()
    row = revoke_key(session, _active(session, identity, now).id, now)
    record(session, server, access, "revoke_key", row.project_id, key=row.id)
    return row


def is_active(row: KeyRow, now: datetime) -> bool:
    """Whether a key is neither revoked nor expired."""
    return row.revoked is None and (row.expires is None or row.expires > now)


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


def _active(session: Session, identity: str, now: datetime) -> KeyRow:
    row = key_of(session, identity)
    session.refresh(row, with_for_update=True)  # PostgreSQL: of two that end it at once, one comes too late
    if not is_active(row, now):
        raise ServiceError(
            "Conflict",
            f"Expected a key that is in use, received {row.name!r}, which has ended. Create another key.",
        )
    return row


def _check_end(access: Access, end: datetime | None) -> None:
    if access.expires is not None and (end is None or end > access.expires):
        raise ServiceError(
            "ForbiddenUserInsufficientCapability",
            f"The key may not do this: it ends on {access.expires:%Y-%m-%d %H:%M} UTC, and the new key would "
            "outlive it. Send fewer days, or use a key that lives longer.",
        )
