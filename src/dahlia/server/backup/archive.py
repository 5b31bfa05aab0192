"""The file of a backup: a zip, stored without compression since photos do not shrink.

about.json            the version of the format and of the schema, and what is counted
tables/<name>.jsonl   rows, as `dahlia.server.backup.rows` writes them
files/<key>           files of the storage
tracking/<path>       MLflow's database and artifacts, where they lie in the server's home
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

FORMAT = 1
INCOMPLETE = 3
"""The exit status of a command where a backup lacks files and has everything else."""
ABOUT = "about.json"
MLFLOW, ARTIFACTS = "mlflow.db", "mlartifacts"
_CHUNK = 1 << 20


class About(BaseModel):
    """What a backup says of itself.

    Attributes:
        missing: files that rows name, or that were found and could not be read, and why; the backup has all
            else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    dahlia: str
    schema_revision: str
    made: datetime
    rows: dict[str, int]
    files: int
    missing: dict[str, str] = {}


def table_name(table: str) -> str:
    """Where a table's rows are."""
    return f"tables/{table}.jsonl"


def file_name(key: str) -> str:
    """Where a file of the storage is."""
    return f"files/{key}"


def add_tracking(archive: zipfile.ZipFile, home: Path, scratch: Path) -> dict[str, str]:
    """Add MLflow's database, as it is at one moment, and its artifacts; nothing where there are none.

    Args:
        archive: is written to.
        home: where they are.
        scratch: a file that may be written, and is gone afterwards.

    Returns:
        What could not be read, and why.
    """
    missing: dict[str, str] = {}
    database = home / MLFLOW
    if not database.exists():
        return missing
    try:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(scratch)) as target:
            source.backup(target)
        archive.write(scratch, f"tracking/{MLFLOW}")
    except sqlite3.Error as error:
        if _is_full(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        missing[f"tracking/{MLFLOW}"] = str(error)
    finally:
        scratch.unlink(missing_ok=True)
    for path in sorted((home / ARTIFACTS).rglob("*")):
        name = f"tracking/{path.relative_to(home).as_posix()}"
        if path.is_file() and (fault := _add_file(archive, path, name)):
            missing[name] = fault
    return missing


def _add_file(archive: zipfile.ZipFile, path: Path, name: str) -> str | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:  # deleted since it was listed
        return None
    except OSError as error:
        return error.strerror
    archive.writestr(name, data)
    return None


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"


def extract_tracking(archive: zipfile.ZipFile, home: Path) -> None:
    """Put them back."""
    for info in archive.infolist():
        if not info.filename.startswith("tracking/") or info.is_dir():
            continue
        target = (home / info.filename.removeprefix("tracking/")).resolve()
        if not target.is_relative_to(home.resolve()):
            continue  # a name that leads out of the home was not written by us
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, _CHUNK)


def lines(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """The lines of a member."""
    with archive.open(name) as member:
        yield from member
