"""The storage's files on their way into a backup: each whole, or named as missing."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.server.backup.archive import file_name
from dahlia.server.database.tables import ImageRow
from dahlia.server.database.work_tables import ExportRow, IterationRow, PredictionRow
from dahlia.server.storage.backend import NotThere, StorageError
from dahlia.server.storage.names import IMAGES, image_key, iteration_prefix, sha256_of_key
from dahlia.server.storage.storage import Storage

_CHUNK = 1 << 20
_IN_MEMORY = 32 << 20  # bytes of a file that wait here until all of it was read; more wait on the disk
_PATIENCE = 60.0  # seconds of faults one after another, after which the storage counts as out of reach


def named_keys(session: Session) -> set[str]:
    """Keys of all files that rows name: images, those of kept predictions among them, and exports."""
    images = session.execute(select(ImageRow.sha256, ImageRow.suffix).distinct())
    kept = session.execute(select(PredictionRow.sha256, PredictionRow.suffix).distinct())
    exports = session.scalars(select(ExportRow.file_key).where(ExportRow.file_key.is_not(None)))
    return {
        *(image_key(sha256, suffix) for rows in (images, kept) for sha256, suffix in rows),
        *(key for key in exports if key),
    }


def named_prefixes(session: Session) -> set[str]:
    """Folders that rows name: those of iterations whose files are stored."""
    stored = select(IterationRow.id).where(IterationRow.files)
    return {iteration_prefix(one) for one in session.scalars(stored)}


def prefix_of(key: str) -> str:
    """The folder of an iteration that a file is in; for other files a text that names none."""
    return "/".join(key.split("/", 2)[:2])


class StoredFiles:
    """Copies files into an archive. One that cannot be read whole is no part of it, and is remembered.

    Args:
        archive: is written to.
        storage: is read.
        folder: has room for a large file that is being read.

    Attributes:
        written: how many the archive holds.
        missing: keys of what it lacks, and why.
    """

    def __init__(self, archive: zipfile.ZipFile, storage: Storage, folder: Path) -> None:
        self.written = 0
        self.missing: dict[str, str] = {}
        self._keys: set[str] = set()
        self._prefixes: set[str] = set()
        self._archive = archive
        self._storage = storage
        self._folder = folder
        self._fault_began: float | None = None

    def add_all(self, keys: Iterable[str], prefixes: Iterable[str], unwanted: Iterable[str] = ()) -> None:
        """Add every file that is stored, and look for those that must be.

        Args:
            keys: that rows name.
            prefixes: that rows name; each must have a file.
            unwanted: keys that are passed over.

        Raises:
            StorageError: the storage is out of reach, or has no file at all.
        """
        self._keys, self._prefixes, passed_over = set(keys), set(prefixes), set(unwanted)
        try:
            for entry in self._storage.keys(""):
                if entry.key not in passed_over:
                    self._add(entry.key)
        except StorageError as error:
            self._endure(error)
            self.missing["(the list of files)"] = _reason(error)
            self._prefixes = set(prefixes)  # it may have ended within one
        if self._keys and not self.written and not self.missing:
            raise StorageError(
                f"Expected the {len(self._keys)} files that rows name in {self._storage.place}, received an "
                "empty storage. See that its disk is mounted, then make the backup again."
            )
        for key in sorted(self._keys - self.missing.keys()):
            self._add(key)
        for prefix in sorted(self._prefixes):
            self._add_folder(prefix)

    def _add_folder(self, prefix: str) -> None:
        try:
            found = [entry.key for entry in self._storage.keys(prefix)]
        except StorageError as error:
            self._endure(error)
            self.missing[prefix] = _reason(error)
            return
        for key in set(found) - self.missing.keys():
            self._add(key)
        if not found:
            self.missing[prefix] = "there is no file in it"

    def _add(self, key: str) -> None:
        if file_name(key) in self._archive.NameToInfo:
            return
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(self._folder)) as whole:
            try:
                sha256 = self._read(key, whole)
            except NotThere:
                if key in self._keys:  # otherwise it was deleted since it was listed
                    self.missing[key] = "there is no such file"
                return
            except StorageError as error:
                self._endure(error)
                self.missing[key] = _reason(error)
                return
            self._fault_began = None
            if key.startswith(f"{IMAGES}/") and sha256 != sha256_of_key(key):
                self.missing[key] = "its bytes are not those that were stored"
                return
            whole.seek(0)
            with self._archive.open(file_name(key), "w", force_zip64=True) as member:
                shutil.copyfileobj(whole, member, _CHUNK)
        self.written += 1
        self._keys.discard(key)
        self._prefixes.discard(prefix_of(key))

    def _read(self, key: str, target: IO[bytes]) -> str:
        digest = hashlib.sha256()
        for piece in self._storage.stream(key, _CHUNK):
            digest.update(piece)
            target.write(piece)
        return digest.hexdigest()

    def _endure(self, error: StorageError) -> None:
        now = time.monotonic()
        if self._fault_began is None:
            self._fault_began = now
        if now - self._fault_began > _PATIENCE:
            raise error


def _reason(error: StorageError) -> str:
    return getattr(error.__cause__, "strerror", None) or str(error)
