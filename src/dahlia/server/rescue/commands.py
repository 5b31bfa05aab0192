"""The commands `dahlia rescue` and `dahlia adopt`: for a storage whose database is lost, or is another."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dahlia.errors import ConfigError
from dahlia.server.command_tools import config_option, opened
from dahlia.terminal import print_table

if TYPE_CHECKING:
    from rich.table import Table

    from dahlia.server.context import Server
    from dahlia.server.keys.keys import Scope
    from dahlia.server.rescue.rescuing import Rescued

_LISTED = 50  # problems; a disk that fails may damage every file
_EVERY_SECONDS = 2.0


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would be found; write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def rescue(dry_run: bool, yes: bool, config: Path | None) -> None:
    """Rebuild a lost database from the storage.

    The configured database must be empty.
    """
    from dahlia.server.pairing import adopt as make_pair
    from dahlia.server.rescue.rescuing import rescue as run

    with opened(config, paired=False) as server:
        if not (dry_run or yes):
            click.confirm(
                f"Make a new server of the files in {server.storage.place}? A database that used them until "
                "now is refused from then on",
                abort=True,
            )
        rescued = run(server, _Progress(), _show_keys, write=not dry_run)
        if not dry_run:
            make_pair(server.database, server.storage, server.now())
    _report(rescued, dry_run)


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def adopt(yes: bool, config: Path | None) -> None:
    """Pair a database with a storage.

    The configured ones then belong together, whatever they belonged to before.
    """
    from dahlia.server.pairing import adopt as make_pair

    with opened(config, paired=False) as server:
        click.echo(describe(server))
        if not yes:
            click.confirm(
                "Make them one server? A database that used this storage is refused then", abort=True
            )
        made = make_pair(server.database, server.storage, server.now())
    click.echo(f"They are one server now ({made}). Files that the database does not know stay as they are.")


def describe(server: Server) -> str:
    """What each holds, of which server it is, and whether the database knows the files; three lines.

    Raises:
        DahliaError: one of them cannot be read.
    """
    from sqlalchemy import func, select

    from dahlia.server.database.changes import GONE
    from dahlia.server.database.tables import IdentityRow, ProjectRow
    from dahlia.server.ownership import count_images, knows_some, position_of, sample

    files = sample(server.storage)
    with server.database.read() as session:
        row = session.get(IdentityRow, 1)
        projects = session.scalar(
            select(func.count()).select_from(ProjectRow).where(ProjectRow.status != GONE)
        )
        images, last, known = count_images(session), position_of(session), knows_some(session, files)
    changed = f"last changed {last.moment:%Y-%m-%d %H:%M} UTC" if last.moment else "never changed"
    fit = "names" if known else "names none of"
    return (
        f"Database {server.settings.database_url}: server {row.server if row else 'unknown'}, {projects} "
        f"projects, {images} images, {changed}\n"
        f"Storage {server.storage.place}: {_stored_identity(server)}\n"
        + (f"The database {fit} the files that were looked up." if files else "There are no images there.")
    )


class _Progress:
    def __init__(self) -> None:
        self._next = time.monotonic() + _EVERY_SECONDS

    def __call__(self, done: int) -> None:
        if time.monotonic() >= self._next:
            click.echo(f"{done:,} images looked at", err=True)
            self._next = time.monotonic() + _EVERY_SECONDS


def _show_keys(keys: dict[Scope, str]) -> None:
    for scope, key in keys.items():
        click.echo(f"{scope.capitalize() + ' key:':16}{key}")


def _report(rescued: Rescued, dry_run: bool) -> None:
    for line in rescued.problems[:_LISTED]:
        click.echo(line, err=True)
    if len(rescued.problems) > _LISTED:
        click.echo(f"and {len(rescued.problems) - _LISTED:,} more", err=True)
    print_table(_table(rescued))
    click.echo(
        f"{rescued.images:,} images, {rescued.thumbnails:,} of them without a thumbnail; {rescued.exports} "
        f"exports; {len(rescued.problems)} files were not imported."
    )
    if dry_run:
        click.echo("Nothing was written. `dahlia rescue` does it.")
        return
    click.echo(
        "Save these keys now: they are not shown again, and the old ones are invalid. Publish "
        "iterations again: only the lost database knew the publish names."
    )


def _table(rescued: Rescued) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("Project", "Id", "Iterations", "Tags", "Images", "Tagged", "Missing"):
        table.add_column(name, overflow="fold")
    for one in rescued.projects:
        counts = (one.iterations, one.tags, one.images, one.tagged, one.missing)
        table.add_row(escape(one.name), one.id, *(f"{count:,}" for count in counts))
    return table


def _stored_identity(server: Server) -> str:
    from dahlia.server.ownership import read_identity

    try:
        stored = read_identity(server.storage)
    except ConfigError as error:
        return str(error)
    if stored is None:
        return "no server's so far"
    moment = stored.position.moment
    return f"server {stored.server}, last changed {f'{moment:%Y-%m-%d %H:%M} UTC' if moment else 'never'}"
