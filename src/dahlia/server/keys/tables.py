"""Keys and the audit log for a terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from dahlia.server.database.server_tables import AuditRow, KeyRow


def keys_table(rows: Sequence[KeyRow]) -> Table:
    """A line per key, revoked ones marked."""
    table = _table("Id", "Name", "Ends in", "Scope", "Project", "Made", "Expires", "Revoked")
    for row in rows:
        table.add_row(
            row.id[:8],
            escape(row.name),
            row.hint,
            row.scope,
            row.project_id or "all",
            f"{row.created:%Y-%m-%d %H:%M}",
            f"{row.expires:%Y-%m-%d %H:%M}" if row.expires else "never",
            f"{row.revoked:%Y-%m-%d %H:%M}" if row.revoked else "",
        )
    return table


def audit_table(lines: Sequence[tuple[AuditRow, str | None]]) -> Table:
    """A line per change: when, which key, what, and the request's id."""
    table = _table("When (UTC)", "Key", "Action", "Project", "Details", "Request")
    for row, name in lines:
        table.add_row(
            f"{row.moment:%Y-%m-%d %H:%M:%S}",
            escape(name or "(the server)"),
            row.action,
            row.project_id or "",
            escape(json.dumps(row.details)) if row.details else "",
            row.request,
        )
    return table


def _table(*names: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    return table
