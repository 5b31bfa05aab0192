"""Keys and lines of the audit log as they go over the wire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dahlia.server.contract.administration import AuditLine, Key, NewKey
from dahlia.server.database.server_tables import AuditRow, KeyRow
from dahlia.server.keys.granting import is_active
from dahlia.server.keys.scopes import Scope


def key_answer(row: KeyRow, now: datetime) -> Key:
    """A key without its secret."""
    return Key(**_fields(row, now))


def new_key_answer(row: KeyRow, text: str, now: datetime) -> NewKey:
    """A key with its secret."""
    return NewKey(**_fields(row, now), key=text)


def audit_answers(lines: Sequence[tuple[AuditRow, str | None]]) -> tuple[AuditLine, ...]:
    """Lines of the log."""
    return tuple(
        AuditLine(
            created=row.moment,
            action=row.action,
            key_id=row.actor,
            key_name=name,
            project_id=row.project_id,
            request_id=row.request,
            details=row.details,
        )
        for row, name in lines
    )


def _fields(row: KeyRow, now: datetime) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "hint": row.hint,
        "scope": Scope(row.scope),
        "project_id": row.project_id,
        "created": row.created,
        "expires": row.expires,
        "revoked": row.revoked,
        "is_active": is_active(row, now),
    }
