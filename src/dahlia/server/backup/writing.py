"""`dahlia backup`, while the server runs."""

from __future__ import annotations

import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import dahlia
from dahlia.errors import ConfigError, DahliaError
from dahlia.files import staged_file
from dahlia.server.backup.archive import ABOUT, FORMAT, About, add_tracking, table_name
from dahlia.server.backup.partials import held, literally, remove_leftovers, scratch_of
from dahlia.server.backup.rows import TABLES, dump
from dahlia.server.backup.space import check_room
from dahlia.server.backup.stored_files import StoredFiles, named_keys, named_prefixes
from dahlia.server.backup.verifying import verify_backup
from dahlia.server.database.schema import revision_of
from dahlia.server.storage.names import IDENTITY

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from dahlia.server.context import Server


def write_backup(server: Server, target: Path) -> About:
    """Write everything that the server keeps into one file, whole or not at all, and read it back.

    The rows are of one moment. Files are written before the rows that name them and never change, so every
    file that those rows name is there. One that is missing all the same, or cannot be read, is named in
    `missing`, and the backup has everything else.

    Raises:
        DahliaError: `target` exists or lies in the storage, its disk has no room, the database cannot be
            read, the storage is out of reach, or what was written reads back otherwise.
    """
    if target.exists():
        raise DahliaError(
            f"Expected a new file, received {target}, which exists. Name another, or move it away."
        )
    _check_place(server, target)
    remove_leftovers(target.parent, literally(target.name))
    check_room(server, target.parent)
    with ExitStack() as until_named, staged_file(target) as staged:
        until_named.enter_context(held(staged))
        _write(server, staged)
        return verify_backup(staged, shown=target)


def _check_place(server: Server, target: Path) -> None:
    if target.resolve().is_relative_to(Path(server.storage.place).resolve()):
        raise ConfigError(
            f"Expected a place for a backup outside of the storage, received {target}, which lies in "
            f"{server.storage.place}: each backup would hold those before it. Name another folder."
        )


def _write(server: Server, staged: Path) -> None:
    with zipfile.ZipFile(staged, "w", allowZip64=True) as archive:
        with server.database.read() as session:
            rows = {table.name: _write_rows(archive, session, table.name) for table in TABLES}
            keys, prefixes = named_keys(session), named_prefixes(session)
        files = StoredFiles(archive, server.storage, staged.parent)
        files.add_all(keys, prefixes, unwanted={IDENTITY})  # a restored server gets its own
        untracked = add_tracking(archive, server.settings.server.home, scratch_of(staged))
        about = About(
            format=FORMAT,
            dahlia=dahlia.__version__,
            schema_revision=revision_of(server.database),
            made=server.now(),
            rows=rows,
            files=files.written,
            missing=files.missing | untracked,
        )
        archive.writestr(ABOUT, about.model_dump_json(indent=2) + "\n")


def _write_rows(archive: zipfile.ZipFile, session: Session, name: str) -> int:
    (table,) = (table for table in TABLES if table.name == name)
    count = 0
    with archive.open(table_name(name), "w", force_zip64=True) as member:
        for line in dump(session, table):
            member.write(line)
            count += 1
    return count
