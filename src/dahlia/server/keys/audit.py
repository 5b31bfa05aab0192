"""Who did what when, in the transaction that does it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from dahlia.http.replies import REQUEST
from dahlia.server.context import Server
from dahlia.server.database.tables import AuditRow, KeyRow

if TYPE_CHECKING:
    from dahlia.server.keys.keys import Access


@dataclass(frozen=True)
class Lines:
    """Which lines of the log; None where it does not matter.

    Attributes:
        project: id of the project that was changed.
        action: the operation's name.
        actor: id of the key.
        since: the moment from which on.
        until: the moment before which.
        below: the number of a line, of which only earlier ones are wanted.
    """

    project: str | None = None
    action: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    below: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL has them."""
        found = []
        if self.project is not None:
            found.append(AuditRow.project_id == self.project)
        if self.action is not None:
            found.append(AuditRow.action == self.action)
        if self.actor is not None:
            found.append(AuditRow.actor == self.actor)
        if self.since is not None:
            found.append(AuditRow.moment >= self.since)
        if self.until is not None:
            found.append(AuditRow.moment < self.until)
        if self.below is not None:
            found.append(AuditRow.key < self.below)
        return found


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


def latest(session: Session, limit: int, lines: Lines | None = None) -> list[tuple[AuditRow, str | None]]:
    """The newest lines and the names of their keys, the newest first."""
    chosen = select(AuditRow, KeyRow.name).outerjoin(KeyRow, KeyRow.id == AuditRow.actor)
    chosen = chosen.where(*(lines or Lines()).conditions())
    rows = session.execute(chosen.order_by(AuditRow.key.desc()).limit(limit))
    return [(row.AuditRow, row.name) for row in rows]
