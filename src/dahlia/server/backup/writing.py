"""`dahlia backup`, while the server runs."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

import dahlia
from dahlia.errors import DahliaError
from dahlia.files import staged_file
from dahlia.server.backup.archive import ABOUT, FORMAT, About, add_tracking, file_name, table_name
from dahlia.server.backup.rows import TABLES, dump
from dahlia.server.storage.errors import NotThere
from dahlia.server.storage.names import IDENTITY, image_key
from dahlia.server.store.schema import revision_of
from dahlia.server.store.tables import ImageRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from dahlia.server.context import Server

_CHUNK = 1 << 20


def write_backup(server: Server, target: Path) -> About:
    """Write everything that the server keeps into one file, whole or not at all.

    The rows are of one moment. Files are written before the rows that name them and never change, so every
    file that those rows name is there.

    Raises:
        DahliaError: `target` exists, something cannot be read or written, or an image's file is missing.
    """
    if target.exists():
        raise DahliaError(
            f"Expected a new file, received {target}, which exists. Name another, or move it away."
        )
    with staged_file(target) as staged, zipfile.ZipFile(staged, "w", allowZip64=True) as archive:
        with server.database.read() as session:
            rows = {table.name: _write_rows(archive, session, table.name) for table in TABLES}
            named = _named(session)
        files = _write_files(archive, server)
        if missing := named - files:
            raise DahliaError(
                f"{len(missing)} images are named by rows and have no file, such as {min(missing)}. Run it "
                "again; if it stays so, look for the file in the storage."
            )
        add_tracking(archive, server.settings.server.home)
        about = About(
            format=FORMAT,
            dahlia=dahlia.__version__,
            schema_revision=revision_of(server.database),
            made=server.now(),
            rows=rows,
            files=len(files),
        )
        archive.writestr(ABOUT, about.model_dump_json(indent=2) + "\n")
    return about


def _write_rows(archive: zipfile.ZipFile, session: Session, name: str) -> int:
    (table,) = (table for table in TABLES if table.name == name)
    count = 0
    with archive.open(table_name(name), "w", force_zip64=True) as member:
        for line in dump(session, table):
            member.write(line)
            count += 1
    return count


def _named(session: Session) -> set[str]:
    return {
        image_key(row.sha256, row.suffix) for row in session.execute(select(ImageRow.sha256, ImageRow.suffix))
    }


def _write_files(archive: zipfile.ZipFile, server: Server) -> set[str]:
    written = set()
    for entry in server.storage.keys(""):
        if entry.key == IDENTITY:  # of this storage; the one that a backup is restored to gets its own
            continue
        try:
            source = server.storage.open(entry.key)
        except NotThere:  # deleted meanwhile
            continue
        with source, archive.open(file_name(entry.key), "w", force_zip64=True) as member:
            shutil.copyfileobj(source, member, _CHUNK)
        written.add(entry.key)
    return written
