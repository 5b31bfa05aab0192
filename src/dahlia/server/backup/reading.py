"""Reading a backup: verified against what it says of itself, or restored into a server without content."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING
from uuid import uuid4

from pydantic import ValidationError
from sqlalchemy import delete

from dahlia.errors import DahliaError
from dahlia.server.backup.archive import (
    ABOUT,
    FORMAT,
    TABLES,
    About,
    extract_tracking,
    file_name,
    is_empty,
    lines,
    load,
    table_name,
)
from dahlia.server.database.schema import revision_of
from dahlia.server.database.tables import IdentityRow, OrphanRow, SecretRow
from dahlia.server.ownership import read_identity, sample
from dahlia.server.pairing import PairingError, adopt, join
from dahlia.server.storage.names import IMAGES, image_key, sha256_of_key

if TYPE_CHECKING:
    from dahlia.server.context import Server
    from dahlia.server.database.sessions import Database
    from dahlia.server.storage.storage import Storage

_CHUNK = 1 << 20
_FILES = "files/"
_FAULTS = (
    OSError,
    zipfile.BadZipFile,
    KeyError,
    ValueError,
    TypeError,
    EOFError,
    NotImplementedError,
    zlib.error,
)
_BATCH_BYTES = 32 * 1024 * 1024
# Schemas that lack tables, columns or indices of the present one, and differ in nothing else.
_READABLE = ("0001", "0002", "0003", "0004", "0005")


def verify_backup(source: Path, *, shown: Path | None = None) -> About:
    """Read a backup, from the disk and to its last byte.

    Every member must have its checksum, every image the SHA-256 that names it, every table and the files the
    number that the backup counts, and every image that a row names must be there or be named as missing.

    Args:
        source: the backup.
        shown: its name in messages, where that is not yet `source`.

    Returns:
        What it says of itself.

    Raises:
        DahliaError: it is damaged, or no backup of a version that this one can read.
    """
    try:
        _forget_cached(source)
        with zipfile.ZipFile(source) as archive:
            about = _about(archive)
            for name in archive.namelist():
                _check_member(archive, name)
            _check_counts(archive, about)
    except _FAULTS as error:
        raise DahliaError(
            f"Expected a whole backup written by `dahlia backup`, received {shown or source}, which is none "
            f"({error}). Keep an earlier backup, and make another."
        ) from error
    return about


def restore_backup(server: Server, source: Path) -> About:
    """Bring back what `write_backup` wrote: first the files, then all rows at once.

    Args:
        server: empty; of the same or another kind of database and storage as the one that was backed up.
        source: the backup.

    Raises:
        DahliaError: the server holds something, or the file is none of our backups or is damaged. No row is
            there then, and the command can be run again.
    """
    with server.database.read() as session:
        if not is_empty(session):
            raise DahliaError(
                "Expected an empty server, received one that has keys or projects. Restore into a new "
                "home, or a new database and storage (`dahlia config` shows which are used); where only the "
                "database is to be replaced, move dahlia.db, dahlia.db-wal and dahlia.db-shm away first."
            )
    try:
        with zipfile.ZipFile(source) as archive:
            about = _readable_about(archive, server, source)
            names = _names(archive)
            was_empty = check_target(server.storage, _servers(archive, about), names.__contains__)
            _restore_files(archive, server, source)
            extract_tracking(archive, server.settings.server.home)
            _restore_rows(archive, server, about, source)
            take_back(server.database, server.storage, server.now(), was_empty=was_empty)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise _unusable(source, str(error)) from error
    return about


def check_target(storage: Storage, servers: Collection[str], holds: Callable[[str], bool]) -> bool:
    """See that a storage is empty, or that of the server that was backed up.

    Args:
        storage: where the files are to go.
        servers: ids of the server that was backed up, present and earlier.
        holds: whether the backup holds a file.

    Returns:
        Whether it is empty.

    Raises:
        PairingError: it is another server's.
        StorageError: it cannot be read.
    """
    files, stored = sample(storage), read_identity(storage)
    if stored is None:
        is_ours = any(holds(key) for key in files)
    else:
        is_ours = not {stored.server, *stored.earlier}.isdisjoint(servers)
    if files and not is_ours:
        raise PairingError(
            f"Expected an empty storage, or that of the server that was backed up, in {storage.place}; "
            "received the files of another.",
            "prefix",
        )
    return not files


def take_back(database: Database, storage: Storage, now: datetime, *, was_empty: bool) -> None:
    """After a backup was restored: make database and storage belong together.

    A storage that was empty has the files of the backup alone, and gets an id of its own, so that two servers
    that were restored from one backup are two. The server's own storage may have files that are newer than
    the backup: none of them is deleted by cleaning.

    Args:
        database: with the rows of the backup.
        storage: with its files.
        now: the time.
        was_empty: whether the storage had no files before.

    Raises:
        DahliaError: one of them cannot be used.
    """
    with database.read() as session:
        backed_up = session.get(IdentityRow, 1)
    if was_empty:
        join(database, storage, str(uuid4()), backed_up.made if backed_up else now)
    else:
        adopt(database, storage, now)


def _about(archive: zipfile.ZipFile) -> About:
    try:
        about = About.model_validate_json(archive.read(ABOUT))
    except ValidationError as error:
        raise ValueError("its about.json is of another version") from error
    if about.format != FORMAT:
        raise ValueError(f"its format is {about.format}, this version reads {FORMAT}")
    return about


def _check_member(archive: zipfile.ZipFile, name: str) -> None:
    with archive.open(name) as member:
        sha256 = _digest(member)
    key = name.removeprefix(_FILES)
    if name.startswith(f"{_FILES}{IMAGES}/") and sha256 != sha256_of_key(key):
        raise ValueError(f"{key} is not what was stored")


def _digest(member: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := member.read(_CHUNK):  # zipfile compares the checksum at the end
        digest.update(piece)
    return digest.hexdigest()


def _check_counts(archive: zipfile.ZipFile, about: About) -> None:
    names = archive.namelist()
    present = set(names)
    if len(present) < len(names):
        raise ValueError("names in it are there twice")
    files = sum(name.startswith(_FILES) for name in names)
    if files != about.files:
        raise ValueError(f"{files} of {about.files} files are there")
    for table, expected in about.rows.items():
        count = 0
        for line in lines(archive, table_name(table)):
            row = json.loads(line)
            count += 1
            if table == "images" and _lacks(image_key(row["sha256"], row["suffix"]), present, about):
                raise ValueError(f"the image {row['sha256']} has a row and no file")
        if count != expected:
            raise ValueError(f"{count} of {expected} rows of {table} are there")


def _lacks(key: str, present: set[str], about: About) -> bool:
    return file_name(key) not in present and key not in about.missing


def _forget_cached(source: Path) -> None:
    """Bring the file to the disk, and have it read from there and not from the system's memory."""
    if not hasattr(os, "posix_fadvise"):
        return
    with source.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _readable_about(archive: zipfile.ZipFile, server: Server, source: Path) -> About:
    try:
        about = About.model_validate_json(archive.read(ABOUT))
    except ValidationError as error:
        raise _unusable(source, "its about.json is of another version") from error
    ours = revision_of(server.database)
    if about.format != FORMAT or about.schema_revision not in (ours, *_READABLE):
        raise DahliaError(
            f"{source} was written by Dahlia {about.dahlia} (schema {about.schema_revision}, format "
            f"{about.format}), this one has schema {ours} and format {FORMAT}. Restore it with that version, "
            "then let this one open the database, which brings it up to date."
        )
    return about


def _servers(archive: zipfile.ZipFile, about: About) -> set[str]:
    """Ids of the server that was backed up."""
    rows = lines(archive, table_name("identity")) if "identity" in about.rows else ()
    identities = [json.loads(line) for line in rows]
    return {one for row in identities for one in (row["server"], *row["earlier"])}


def _names(archive: zipfile.ZipFile) -> set[str]:
    """Keys of the files that it holds."""
    return {name.removeprefix(_FILES) for name in archive.namelist() if name.startswith(_FILES)}


def _restore_files(archive: zipfile.ZipFile, server: Server, source: Path) -> None:
    batch: dict[str, bytes] = {}
    size = 0
    for info in archive.infolist():
        if not info.filename.startswith(_FILES):
            continue
        key = info.filename.removeprefix(_FILES)
        data = archive.read(info)
        if key.startswith(f"{IMAGES}/") and hashlib.sha256(data).hexdigest() != sha256_of_key(key):
            raise _unusable(source, f"{key} is not what was stored")
        batch[key] = data
        size += len(data)
        if size >= _BATCH_BYTES:
            server.storage.put_many(batch)
            batch, size = {}, 0
    server.storage.put_many(batch)


def _restore_rows(archive: zipfile.ZipFile, server: Server, about: About, source: Path) -> None:
    with server.database.write() as session:
        for own in (SecretRow, IdentityRow, OrphanRow):
            session.execute(delete(own))
        for table in TABLES:
            if table.name not in about.rows:  # of a later schema
                continue
            count = load(session, table, lines(archive, table_name(table.name)))
            if count != about.rows[table.name]:
                raise _unusable(source, f"{count} of {about.rows[table.name]} rows of {table.name} are there")
        session.query(SecretRow).delete()  # earlier versions kept theirs in a backup


def _unusable(source: Path, reason: str) -> DahliaError:
    return DahliaError(
        f"Expected a whole backup written by `dahlia backup`, received {source}, which is none ({reason}). "
        "Take another backup."
    )
