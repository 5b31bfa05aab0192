"""The commands below `dahlia keys`, and `dahlia audit`, with their tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dahlia.server.command_tools import config_option, opened
from dahlia.terminal import print_table

if TYPE_CHECKING:
    from rich.table import Table

    from dahlia.server.database.tables import AuditRow, KeyRow


@click.group()
def keys() -> None:
    """Create, list, rotate and revoke API keys."""


@keys.command("create")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["admin", "training", "prediction", "read"]),
    required=True,
    help="admin allows everything; training everything but keys, audit log and queue; prediction only "
    "predictions; read only reading.",
)
@click.option("--project", type=click.UUID, help="Restrict the key to the project with this id.")
@click.option(
    "--days", type=click.FloatRange(1 / 1440, 36500), help="Let the key expire after this many days."
)
@config_option
def create(name: str, scope: str, project: Any, days: float | None, config: Path | None) -> None:
    """Create a key. It is shown only once."""
    from dahlia.server.database.changes import project_of
    from dahlia.server.keys.audit import record
    from dahlia.server.keys.keys import Scope, create_key

    with opened(config) as server, server.database.write() as session:
        identity = project_of(session, str(project)).id if project else None
        lifetime = timedelta(days=days) if days is not None else None
        row, text = create_key(session, name, Scope(scope), identity, server.now(), lifetime)
        record(session, server, None, "create_key", identity, key=row.id, scope=scope)
    click.echo(text)


@keys.command("list")
@config_option
def list_them(config: Path | None) -> None:
    """List the keys by their ids and last characters."""
    from dahlia.server.keys.keys import list_keys

    with opened(config) as server, server.database.read() as session:
        print_table(keys_table(list_keys(session)))


@keys.command("rotate")
@click.argument("key_id")
@config_option
def rotate(key_id: str, config: Path | None) -> None:
    """Replace a key by a new one; the old one ends at once."""
    from dahlia.server.keys.audit import record
    from dahlia.server.keys.keys import rotate_key

    with opened(config) as server, server.database.write() as session:
        row, text = rotate_key(session, key_id, server.now())
        record(session, server, None, "rotate_key", row.project_id, key=row.id)
    click.echo(text)


@keys.command("revoke")
@click.argument("key_id")
@config_option
def revoke(key_id: str, config: Path | None) -> None:
    """Revoke a key."""
    from dahlia.server.keys.audit import record
    from dahlia.server.keys.keys import revoke_key

    with opened(config) as server, server.database.write() as session:
        row = revoke_key(session, key_id, server.now())
        record(session, server, None, "revoke_key", row.project_id, key=row.id)
    click.echo(f"Key {row.name!r} (...{row.hint}) is revoked.")


@keys.command("link")
@config_option
def link(config: Path | None) -> None:
    """Print a link that signs a browser in to the portal, once, within a day.

    The browser gets a key of scope admin that ends after 12 hours.
    """
    from dahlia.server.keys.audit import record
    from dahlia.server.keys.sign_in import create_link, link_line

    with opened(config) as server:
        with server.database.write() as session:
            token = create_link(session, server.now())
            record(session, server, None, "create_sign_in_link", None)
        click.echo(link_line(server.settings.server, token))


@keys.command("new-secret")
@config_option
def new_secret(config: Path | None) -> None:
    """Sign links with a new secret, after a leak or a loss. Older links stop working.

    If the settings name a secret, that one is used; otherwise a random one is made. Then restart the
    servers of the database.
    """
    from dahlia.server.keys.audit import record
    from dahlia.server.keys.signing import renew_secret

    with opened(config) as server:
        place = renew_secret(server.database, server.settings)
        with server.database.write() as session:
            record(session, server, None, "new_secret", None)
    click.echo(f"Links are signed with the secret of {place}. Restart the servers; older links have ended.")


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many lines.")
@click.option("--project", type=click.UUID, help="Of one project.")
@config_option
def audit(limit: int, project: Any, config: Path | None) -> None:
    """Show the audit log, newest first."""
    from dahlia.server.keys.audit import Lines, latest

    with opened(config) as server, server.database.read() as session:
        print_table(audit_table(latest(session, limit, Lines(project=str(project) if project else None))))


def keys_table(rows: Sequence[KeyRow]) -> Table:
    """A line per key, revoked ones marked."""
    from rich.markup import escape

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
    from rich.markup import escape

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
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    return table
