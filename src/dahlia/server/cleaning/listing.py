"""Orphans for a terminal: lines, since a table would fold the keys that people copy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from dahlia.server.database.server_tables import IdentityRow, OrphanRow

if TYPE_CHECKING:
    from dahlia.server.context import Server


def orphan_lines(server: Server, limit: int) -> Iterator[str]:
    """A line per file: its key, when it was written and found, until when it is kept.

    Args:
        server: has the list.
        limit: lines at most, those found first.
    """
    kept = timedelta(days=server.settings.cleaning.orphan_days)
    with server.database.read() as session:
        made = session.get_one(IdentityRow, 1).made
        rows = session.scalars(select(OrphanRow).order_by(OrphanRow.found, OrphanRow.file).limit(limit)).all()
    for row in rows:
        until = (
            f"kept until {row.found + kept:%Y-%m-%d}" if row.written >= made else "kept until it is purged"
        )
        yield (
            f"{row.file}  {-(-row.size // 1024)} KB, written {row.written:%Y-%m-%d %H:%M}, "
            f"found {row.found:%Y-%m-%d}, {until}"
        )
