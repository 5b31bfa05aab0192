"""A database and a storage in words, for who decides whether they belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from dahlia.errors import ConfigError
from dahlia.server.database.changes import GONE
from dahlia.server.database.server_tables import IdentityRow
from dahlia.server.database.tables import ProjectRow
from dahlia.server.pairing.evidence import count_images, knows_some, sample
from dahlia.server.pairing.identity import position_of, read_identity

if TYPE_CHECKING:
    from dahlia.server.context import Server


def describe(server: Server) -> str:
    """What each holds, of which server it is, and whether the database knows the files; three lines.

    Raises:
        DahliaError: one of them cannot be read.
    """
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
    try:
        stored = read_identity(server.storage)
    except ConfigError as error:
        return str(error)
    if stored is None:
        return "no server's so far"
    moment = stored.position.moment
    return f"server {stored.server}, last changed {f'{moment:%Y-%m-%d %H:%M} UTC' if moment else 'never'}"
