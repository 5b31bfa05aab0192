"""A project by what people call it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import ConfigError
from dahlia.server.database.changes import GONE
from dahlia.server.database.tables import ProjectRow

_LISTED = 20


def find_project(session: Session, which: str) -> ProjectRow:
    """The project with an id, or else with a name.

    Raises:
        ConfigError: there is none, or several have the name.
    """
    rows = session.scalars(select(ProjectRow).where(ProjectRow.status != GONE).order_by(ProjectRow.key)).all()
    found = [row for row in rows if row.id == which.lower()] or [row for row in rows if row.name == which]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{row.name} ({row.id})" for row in (found or rows)[:_LISTED]) or "none"
    count = "several have it" if found else "there is none"
    raise ConfigError(
        f"Expected the id or the name of a project, received {which!r}: {count}. Known: {known}."
    )
