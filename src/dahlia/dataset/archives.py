"""Archives of photos, read in place: ZIP and tar, the latter compressed or not.

A file in an archive has the path of the archive with its own name behind it: `photos.zip/cat/1.jpg`. Nothing
is unpacked into the project. A compressed tar, which cannot be read from the middle, is written uncompressed
to a temporary file without a name, which ends with the process.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import struct
import tarfile
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, cast

from dahlia.errors import DatasetError

MAX_MEMBERS = 2_000_000
MAX_RATIO = 200  # of a member's size to what it takes in the archive; photos hardly shrink
MAX_TOTAL = 500_000_000_000  # bytes of all members
_SMALL = 10_000_000  # bytes of a member that may shrink by more: a blank page does
_STEP = 1 << 20
_LOCAL = struct.Struct("<4s5H3I2H")  # of a file in a ZIP, APPNOTE.TXT 4.3.7; then name, extra field, content

_Opener = Callable[[Path], IO[bytes]]
_TARS: dict[str, _Opener | None] = {
    ".tar": None,
    **dict.fromkeys((".tar.gz", ".tgz"), cast("_Opener", gzip.open)),
    **dict.fromkeys((".tar.bz2", ".tbz2"), cast("_Opener", bz2.open)),
    **dict.fromkeys((".tar.xz", ".txz"), cast("_Opener", lzma.open)),
}
SUFFIXES = (".zip", *_TARS)
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile)


@dataclass(frozen=True, slots=True)
class _Member:
    size: int
    start: int  # where its bytes begin in a tar; in a ZIP, where its header begins
    info: zipfile.ZipInfo | None = None


class Archive:
    """An archive's files by name, with forward slashes.

    Args:
        path: of the archive; its suffix is one of `SUFFIXES`.

    Raises:
        DatasetError: it cannot be read, is damaged or encrypted, holds too much, or a name leads out of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.odd: dict[str, str] = {}
        self._members: dict[str, _Member] = {}
        self._total = 0
        try:
            if suffix_of(path) == ".zip":
                self._handle = self._owned(os.open(path, os.O_RDONLY))
                self._list_zip()
            else:
                self._handle = self._owned(_plain_tar(path, _TARS[suffix_of(path) or ".tar"]))
                self._list_tar()
        except _DAMAGE as error:
            raise _damaged(path, error) from error
        except OSError as error:
            raise DatasetError(
                f"{path} could not be read: {error.strerror or error}. Check its rights, and the disk's room."
            ) from error

    @property
    def names(self) -> list[str]:
        """The files in it."""
        return list(self._members)

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none of this name."""
        member = self._members.get(name)
        return member.size if member else None

    def read(self, name: str) -> bytes:
        """The content of a file, checked to have the size that the archive says.

        Raises:
            FileNotFoundError: there is none.
            OSError: it is damaged.
        """
        member = self._members.get(name)
        if member is None:
            raise FileNotFoundError(name)
        try:
            data = self._content(member)
        except (*_DAMAGE, NotImplementedError, RuntimeError) as error:
            raise OSError(f"damaged in {self.path.name}: {error}") from error
        if len(data) != member.size:
            raise OSError(f"damaged in {self.path.name}: {len(data):,} of {member.size:,} bytes")
        return data

    def _owned(self, handle: int) -> int:
        weakref.finalize(self, os.close, handle)
        return handle

    def _content(self, member: _Member) -> bytes:
        info = member.info
        if info is None:
            return os.pread(self._handle, member.size, member.start)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(info)
        # Not by ZipFile, whose lock would let one thread decompress at a time.
        header = _LOCAL.unpack(os.pread(self._handle, _LOCAL.size, member.start))
        start = member.start + _LOCAL.size + header[-2] + header[-1]
        data = os.pread(self._handle, info.compress_size, start)
        if info.compress_type == zipfile.ZIP_DEFLATED:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, member.size + 1)
        if zlib.crc32(data) != info.CRC:
            raise zipfile.BadZipFile("its checksum is wrong")
        return data

    def _list_zip(self) -> None:
        packed = 0
        with zipfile.ZipFile(self.path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
        for info in infos:
            name = _checked(self.path, _unicode(info))
            if info.flag_bits & 1:
                raise DatasetError(
                    f"{self.path} is encrypted. Unpack it, and set `ingest.source` to the folder."
                )
            if info.external_attr >> 28 not in (0, 8):
                self.odd[name] = "neither a file nor a folder"
                continue
            _check_ratio(self.path, name, info.file_size, info.compress_size)
            packed += info.compress_size
            self._add(name, _Member(info.file_size, info.header_offset, info))
        if packed > self.path.stat().st_size:
            raise _refused(self.path, "members that share their bytes with each other")

    def _list_tar(self) -> None:
        with os.fdopen(os.dup(self._handle), "rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            while (info := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # it would keep all of them
                if info.isdir():
                    continue
                name = _checked(self.path, info.name)
                if not info.isreg() or info.issparse():
                    self.odd[name] = "neither a file nor a folder"
                else:
                    self._add(name, _Member(info.size, info.offset_data))

    def _add(self, name: str, member: _Member) -> None:
        self._members[name] = member
        self._total += member.size
        if len(self._members) > MAX_MEMBERS or self._total > MAX_TOTAL:
            raise _refused(self.path, f"more than {MAX_MEMBERS:,} files or {MAX_TOTAL / 1e9:,.0f} GB")


def suffix_of(path: Path) -> str | None:
    """Which of `SUFFIXES` a file has; None for another."""
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)


def opened(path: Path) -> Archive:
    """An archive, opened once in a process as long as its file stays as it is.

    Raises:
        DatasetError: see `Archive`.
    """
    facts = path.stat()
    return _opened(path, facts.st_mtime_ns, facts.st_size)


def inside(path: Path) -> tuple[Path, str] | None:
    """The archive in which a file lies, and its name there; None for a path through folders alone."""
    for parent in path.parents:
        if suffix_of(parent) and parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    return None


@lru_cache(maxsize=4)
def _opened(path: Path, changed: int, size: int) -> Archive:
    return Archive(path)


def _checked(path: Path, name: str) -> str:
    clean = name.replace("\\", "/")
    parts = [part for part in clean.split("/") if part not in ("", ".")]
    if clean.startswith("/") or ".." in parts or "\0" in clean or not parts or clean[1:3] == ":/":
        raise _refused(path, f"the name {name!r}, which leads out of it")
    return "/".join(parts)


def _unicode(info: zipfile.ZipInfo) -> str:
    """A member's name. Some programs write UTF-8 without saying so, which zipfile takes for code page 437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _check_ratio(path: Path, name: str, size: int, packed: int) -> None:
    if size > _SMALL and size > MAX_RATIO * max(packed, 1):
        raise _refused(path, f"{name!r}, of which {packed:,} bytes become {size:,}")


def _plain_tar(path: Path, opener: _Opener | None) -> int:
    if opener is None:
        return os.open(path, os.O_RDONLY)
    most = min(MAX_TOTAL, _SMALL + MAX_RATIO * path.stat().st_size)
    written = 0
    with opener(path) as packed, tempfile.TemporaryFile() as plain:
        while part := packed.read(_STEP):
            written += len(part)
            if written > most:
                raise _refused(path, f"more than {most:,} bytes")
            plain.write(part)
        plain.flush()
        plain.seek(0)
        return os.dup(plain.fileno())


def _refused(path: Path, held: str) -> DatasetError:
    return DatasetError(
        f"Expected an archive of photos, received {path}, which holds {held}. Unpack it with a program that "
        "you trust, and set `ingest.source` to the folder."
    )


def _damaged(path: Path, error: Exception) -> DatasetError:
    return DatasetError(
        f"Expected a whole archive, received {path}, which is damaged ({error}). Copy or download it again."
    )
