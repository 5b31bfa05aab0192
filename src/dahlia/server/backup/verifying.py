"""Whether a backup can be restored: all of it is read back and compared with what it says of itself."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from dahlia.errors import DahliaError
from dahlia.server.backup.archive import ABOUT, FORMAT, About, file_name, lines, table_name
from dahlia.server.storage.names import IMAGES, image_key, sha256_of_key

_CHUNK = 1 << 20
_FILES = file_name("")
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
