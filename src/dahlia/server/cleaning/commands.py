"""The commands below `dahlia orphans`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dahlia.server.command_tools import config_option, opened

if TYPE_CHECKING:
    from dahlia.server.context import Server


@click.group()
def orphans() -> None:
    """List, restore and delete files that belong to nothing."""


@orphans.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many lines.")
@config_option
def list_them(limit: int, config: Path | None) -> None:
    """Look for files that belong to no image and no iteration, and list them, oldest first."""
    from dahlia.server.cleaning.orphans import find_orphans

    with opened(config) as server:
        found = find_orphans(server)
        for line in orphan_lines(server, limit):
            click.echo(line)
    young = f" {found.young} younger than a day were not looked at." if found.young else ""
    click.echo(
        f"{found.orphans} of {found.files} files ({found.size >> 20} MB) belong to nothing known.{young}"
    )


@orphans.command("restore")
@click.argument("files", nargs=-1, metavar="[KEY]...")
@click.option("--project", required=True, help="The id or the name of the project that gets the images.")
@config_option
def restore_files(files: tuple[str, ...], project: str, config: Path | None) -> None:
    """Make orphaned images, all or those named by KEY, untagged images of a project."""
    from dahlia.server.cleaning.orphans import restore_orphans

    with opened(config) as server:
        restored = restore_orphans(
            server, project, files, lambda done: click.echo(f"{done} files looked at", err=True)
        )
    for key, status in restored.refused.items():
        click.echo(f"{key}: {status}", err=True)
    click.echo(f"{restored.images} images are in {project}; {len(restored.refused)} files were refused.")


@orphans.command("purge")
@click.option(
    "--days", type=click.FloatRange(min=0), default=30, show_default=True, help="Found so long ago."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def purge(days: float, yes: bool, config: Path | None) -> None:
    """Delete orphans for good."""
    from dahlia.server.cleaning.orphans import delete_orphans, listed_orphans

    with opened(config) as server:
        rows = listed_orphans(server, timedelta(days=days))
        size = sum(row.size for row in rows) >> 20
        if rows and not yes:
            click.confirm(
                f"Delete {len(rows)} files ({size} MB), such as {rows[0].file}, for good?", abort=True
            )
        deleted = delete_orphans(server, rows)
    click.echo(f"{deleted} files are deleted.")


def orphan_lines(server: Server, limit: int) -> Iterator[str]:
    """A line per file: its key, when it was written and found, until when it is kept.

    A table would fold the keys, which people copy.

    Args:
        server: has the list.
        limit: lines at most, those found first.
    """
    from sqlalchemy import select

    from dahlia.server.database.tables import IdentityRow, OrphanRow

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
