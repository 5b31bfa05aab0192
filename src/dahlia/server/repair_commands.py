"""Commands for bad days: a lost database, one that does not fit its storage, files that no row names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dahlia.server.rescue.command import rescue

if TYPE_CHECKING:
    from dahlia.server.context import Server

_config = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The TOML file of settings; DAHLIA_CONFIG or ./dahlia.toml where it is left out.",
)
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command()
@_yes
@_config
def adopt(yes: bool, config: Path | None) -> None:
    """Make the configured database and storage belong together, whatever they belonged to."""
    from dahlia.server.pairing.description import describe
    from dahlia.server.pairing.pairing import adopt as make_pair

    with _opened(config, paired=False) as server:
        click.echo(describe(server))
        if not yes:
            click.confirm(
                "Make them one server? A database that used this storage is refused then", abort=True
            )
        made = make_pair(server.database, server.storage, server.now())
    click.echo(f"They are one server now ({made}). Files that the database does not know stay as they are.")


@click.group()
def orphans() -> None:
    """Show, restore and delete stored files that belong to no image and no iteration."""


@orphans.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many lines.")
@_config
def list_them(limit: int, config: Path | None) -> None:
    """Look for such files, and list them, the oldest first."""
    from dahlia.server.cleaning.listing import orphan_lines
    from dahlia.server.cleaning.orphans import find_orphans

    with _opened(config) as server:
        found = find_orphans(server)
        for line in orphan_lines(server, limit):
            click.echo(line)
    click.echo(f"{found.orphans} of {found.files} files ({found.size >> 20} MB) belong to nothing known.")


@orphans.command("restore")
@click.argument("files", nargs=-1, metavar="[KEY]...")
@click.option("--project", required=True, help="The id or the name of the project that gets the images.")
@_config
def restore(files: tuple[str, ...], project: str, config: Path | None) -> None:
    """Make orphaned images, all or those named by KEY, untagged images of a project."""
    from dahlia.server.cleaning.restoring import restore_orphans

    with _opened(config) as server:
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
@_yes
@_config
def purge(days: float, yes: bool, config: Path | None) -> None:
    """Delete orphans for good."""
    from datetime import timedelta

    from dahlia.server.cleaning.orphans import delete_orphans, listed_orphans

    with _opened(config) as server:
        rows = listed_orphans(server, timedelta(days=days))
        size = sum(row.size for row in rows) >> 20
        if rows and not yes:
            click.confirm(
                f"Delete {len(rows)} files ({size} MB), such as {rows[0].file}, for good?", abort=True
            )
        deleted = delete_orphans(server, rows)
    click.echo(f"{deleted} files are deleted.")


COMMANDS: tuple[click.Command, ...] = (rescue, adopt, orphans)


@contextmanager
def _opened(config: Path | None, *, paired: bool = True) -> Iterator[Server]:
    from dahlia.server.opening import open_server
    from dahlia.server.permissions import private
    from dahlia.server.settings import load_settings

    with private():
        server = open_server(load_settings(config, os.environ), paired=paired)
        try:
            yield server
        finally:
            server.database.close()
