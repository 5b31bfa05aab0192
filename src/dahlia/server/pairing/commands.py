"""The command `dahlia adopt`, and what it tells to decide whether database and storage belong together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dahlia.errors import ConfigError
from dahlia.server.command_tools import config_option, opened

if TYPE_CHECKING:
    from dahlia.server.context import Server


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def adopt(yes: bool, config: Path | None) -> None:
    """Pair a database with a storage.

    The configured ones then belong together, whatever they belonged to before.
    """
    from dahlia.server.pairing.pairing import adopt as make_pair

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
    from dahlia.server.database.server_tables import IdentityRow
    from dahlia.server.database.tables import ProjectRow
    from dahlia.server.pairing.identity import count_images, knows_some, position_of, sample

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
        f"Storage {server.storage.place}: {_stored(server)}\n"
        + (f"The database {fit} the files that were looked up." if files else "There are no images there.")
    )


def _stored(server: Server) -> str:
    from dahlia.server.pairing.identity import read_identity

    try:
        stored = read_identity(server.storage)
    except ConfigError as error:
        return str(error)
    if stored is None:
        return "no server's so far"
    moment = stored.position.moment
    return f"server {stored.server}, last changed {f'{moment:%Y-%m-%d %H:%M} UTC' if moment else 'never'}"
