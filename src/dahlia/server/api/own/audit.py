"""The audit log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Query

from dahlia.errors import ServiceError
from dahlia.server.api.parameters import OnePage, one_id
from dahlia.server.api.routing import own_router
from dahlia.server.contract.administration import AuditLine, AuditPage
from dahlia.server.database.tables import AuditRow
from dahlia.server.http.access import Administers, TheServer
from dahlia.server.keys.audit import Lines, latest
from dahlia.server.predictions.queries import in_utc

router = own_router("audit log")

_ACTION = re.compile(r"[a-z_]{1,64}")
_Moment = Annotated[datetime | None, Query(description="UTC unless it has an offset")]


@router.get("/audit")
def get_audit_log(
    access: Administers,
    server: TheServer,
    page: OnePage,
    project_id: Annotated[str | None, Query(alias="projectId", description="changes of this project")] = None,
    key_id: Annotated[str | None, Query(alias="keyId", description="changes with this key")] = None,
    action: Annotated[str | None, Query(description="the operation, such as `create_project`")] = None,
    since: _Moment = None,
    until: _Moment = None,
) -> AuditPage:
    """A page of the changes, the newest first: who changed what and when."""
    if action and not _ACTION.fullmatch(action):
        raise ServiceError(
            "BadRequestInvalid",
            f"Expected the name of an operation such as create_project, received {action[:80]!r}. Copy it "
            "from a line of the log.",
        )
    lines = Lines(
        project=one_id(project_id) if project_id else None,
        action=action,
        actor=one_id(key_id) if key_id else None,
        since=in_utc(since) if since else None,
        until=in_utc(until) if until else None,
        below=page.after,
    )
    with server.database.read() as session:
        found = latest(session, page.looked_at, lines)
        rows, continuation = page.cut([row for row, _ in found])
        return AuditPage(results=_answers(found[: len(rows)]), continuation=continuation)


def _answers(lines: Sequence[tuple[AuditRow, str | None]]) -> tuple[AuditLine, ...]:
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
