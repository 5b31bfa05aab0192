"""Who did what when, in the transaction that does it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.server.context import Server
from dahlia.server.keys.scopes import Access
from dahlia.server.store.access_tables import AuditRow, KeyRow
from dahlia.serving.http.replies import REQUEST


def record(
    session: Session,
    server: Server,
    access: Access | None,
    action: str,
    project_id: str | None,
    **details: Any,
) -> None:
    """Write a line of the audit log.

    Args:
        session: of the change itself, so that both are kept or neither is.
        server: has the time.
        access: whose key it was; None for the server's operator and its workers.
        action: the operation's name, such as `create_project`.
        project_id: the project that was changed.
        details: what else tells one change from another; no image data, no secrets.
    """
    session.add(
        AuditRow(
            moment=server.now(),
            request=REQUEST.get(),
            actor=access.key_id if access else None,
            action=action,
            project_id=project_id,
            details=details,
        )
    )


def latest(session: Session, limit: int, project_id: str | None) -> list[tuple[AuditRow, str | None]]:
    """The newest lines and the names of their keys, the newest first; of one project, or of all."""
    chosen = select(AuditRow, KeyRow.name).outerjoin(KeyRow, KeyRow.id == AuditRow.actor)
    if project_id:
        chosen = chosen.where(AuditRow.project_id == project_id)
    rows = session.execute(chosen.order_by(AuditRow.key.desc()).limit(limit))
    return [(row.AuditRow, row.name) for row in rows]
