"""Keys made, replaced and revoked with a key: none that may do more, or lives longer, than that one."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.database.changes import project_of
from dahlia.server.database.tables import KeyRow
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import create_key, lifetime_of, revoke_key, rotate_key
from dahlia.server.keys.scopes import Access, Scope


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
    old = _in_use(session, identity, now)
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
    row = revoke_key(session, _in_use(session, identity, now).id, now)
    record(session, server, access, "revoke_key", row.project_id, key=row.id)
    return row


def is_active(row: KeyRow, now: datetime) -> bool:
    """Whether a key is neither revoked nor expired."""
    return row.revoked is None and (row.expires is None or row.expires > now)


def _in_use(session: Session, identity: str, now: datetime) -> KeyRow:
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
