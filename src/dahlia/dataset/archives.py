"""Archives of photos, read in place: ZIP and tar, the latter compressed or not.

A file in an archive has the path of the archive with its own name behind it: `photos.zip/cat/1.jpg`. Nothing
is unpacked into the project. A compressed tar, which cannot be read from the middle, is written uncompressed
to a temporary file without a name, which ends with the process.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import struct
import tarfile
import tempfile
import weakref
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dahlia.dataset.decompression import TARS, Opener, decompressed
from dahlia.errors import DatasetError

MAX_MEMBERS = 2_000_000
MAX_RATIO = 200  # of a member's size to what it takes in the archive; photos hardly shrink
MAX_TOTAL = 500_000_000_000  # bytes of all members
_SMALL = 10_000_000  # bytes of a member that may shrink by more: a blank page does
_MOST_SMALL = 1_000_000_000  # bytes of all members together that may shrink by more
_MAX_DIRECTORY = 200_000_000  # bytes of what a ZIP says of its members, which is read at once
_MAX_HEADER = 1_000_000  # bytes of an extended header in a tar, which is read at once
_MAX_NAME = 4096  # characters; systems allow no longer paths
_LOCAL = struct.Struct("<4s5H3I2H")  # of a file in a ZIP, APPNOTE.TXT 4.3.7; then name, extra field, content

_END = struct.Struct("<4s4H2IH")  # of a ZIP, 4.3.16
_END_64 = struct.Struct("<4sQ2H2I4Q")  # 4.3.14
_LOCATOR_64 = struct.Struct("<4sIQI")  # 4.3.15
_MOST_COMMENT = 0xFFFF


SUFFIXES = (".zip", *TARS)
# The last four are what `zipfile` and `tarfile` raise besides, for numbers and texts that cannot be.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    gzip.BadGzipFile,
    struct.error,
    ValueError,
    OverflowError,
    RuntimeError,
)


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
                self._handle = self._owned(_plain_tar(path, TARS[suffix_of(path) or ".tar"]))
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

    def head(self, name: str, count: int) -> bytes:
        """The first bytes of a file, at most `count`, unchecked; see `read`."""
        return self._read(name, count)

    def read(self, name: str) -> bytes:
        """The content of a file, checked to have the size that the archive says.

        Raises:
            FileNotFoundError: there is none.
            OSError: it is damaged.
        """
        data, member = self._read(name), self._members[name]
        if len(data) != member.size:
            raise OSError(f"damaged in {self.path.name}: {len(data):,} of {member.size:,} bytes")
        if member.info is not None and zlib.crc32(data) != member.info.CRC:
            raise OSError(f"damaged in {self.path.name}: its checksum is wrong")
        return data

    def _read(self, name: str, most: int | None = None) -> bytes:
        member = self._members.get(name)
        if member is None:
            raise FileNotFoundError(name)
        try:
            return self._content(member, member.size if most is None else min(most, member.size))
        except _DAMAGE as error:
            raise OSError(f"damaged in {self.path.name}: {error}") from error

    def _owned(self, handle: int) -> int:
        weakref.finalize(self, os.close, handle)
        return handle

    def _content(self, member: _Member, most: int) -> bytes:
        """At most `most` bytes; one more where the whole is wanted and there is more."""
        info = member.info
        if info is None:
            return os.pread(self._handle, most, member.start)
        # Not by ZipFile: its lock would let one thread decompress at a time, and its bzip2 and LZMA have no
        # limit.
        header = _LOCAL.unpack(os.pread(self._handle, _LOCAL.size, member.start))
        if header[0] != b"PK\3\4":
            raise zipfile.BadZipFile("it does not begin where it should")
        start = member.start + _LOCAL.size + header[-2] + header[-1]
        data = os.pread(self._handle, info.compress_size, start)
        return decompressed(data, info.compress_type, most if most < member.size else most + 1)

    def _list_zip(self) -> None:
        packed = 0
        if _directory_size(self._handle) > _MAX_DIRECTORY:
            raise _refused(self.path, f"more than {_MAX_DIRECTORY / 1e6:,.0f} MB of names")
        with os.fdopen(os.dup(self._handle), "rb") as file, zipfile.ZipFile(file) as archive:
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
        if self._total > _MOST_SMALL + MAX_RATIO * packed:
            raise _refused(self.path, f"members of which {packed:,} bytes become {self._total:,}")

    def _list_tar(self) -> None:
        with _Headers(os.dup(self._handle)) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            reached = count = 0
            while (info := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # it would keep all of them
                count += 1
                if count > MAX_MEMBERS:
                    raise _too_much(self.path)
                if tar.offset <= reached or info.size < 0:
                    raise tarfile.ReadError(f"{info.name!r:.60} has no size that can be")
                reached = tar.offset
                if info.isdir():
                    continue
                name = _checked(self.path, info.name)
                if not info.isreg() or info.issparse():
                    self.odd[name] = "neither a file nor a folder"
                else:
                    self._add(name, _Member(info.size, info.offset_data))
            # A header that is none ends the list for `tarfile`, and what follows would be lost unnoticed.
            if os.pread(self._handle, tarfile.BLOCKSIZE, tar.offset).strip(b"\0"):
                raise tarfile.ReadError(f"no header at byte {tar.offset:,}")

    def _add(self, name: str, member: _Member) -> None:
        self._members[name] = member
        self._total += member.size
        if len(self._members) > MAX_MEMBERS or self._total > MAX_TOTAL:
            raise _too_much(self.path)


class _Headers(io.FileIO):
    """A tar from which only headers are read; `tarfile` would read one of any length at once."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _MAX_HEADER:
            raise tarfile.ReadError("a header is too long")
        return super().read(size) or b""


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
        # os.path.isfile, unlike Path.is_file, has an answer for names that are too long.
        if suffix_of(parent) and os.path.isfile(parent):  # noqa: PTH113
            return parent, path.relative_to(parent).as_posix()
    return None


@lru_cache(maxsize=4)
def _opened(path: Path, changed: int, size: int) -> Archive:
    return Archive(path)


def _directory_size(handle: int) -> int:
    """Bytes of what a ZIP says of its members; 0 where its end is not found, which `zipfile` says."""
    size = os.fstat(handle).st_size
    start = max(0, size - _END.size - _MOST_COMMENT - _LOCATOR_64.size)
    tail = os.pread(handle, size - start, start)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        return 0
    said = _END.unpack_from(tail, at)[5]
    record = start + at - _LOCATOR_64.size - _END_64.size
    if record >= 0 and tail[max(0, at - _LOCATOR_64.size) : at].startswith(b"PK\6\7"):
        said = max(
            said if said < 0xFFFFFFFF else 0, _END_64.unpack(os.pread(handle, _END_64.size, record))[8]
        )
    return min(int(said), size)


def _checked(path: Path, name: str) -> str:
    if len(name) > _MAX_NAME:
        raise _refused(path, f"a name of {len(name):,} characters, {name[:60]!r}...")
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


def _plain_tar(path: Path, opener: Opener | None) -> int:
    if opener is None:
        return os.open(path, os.O_RDONLY)
    most = min(MAX_TOTAL, _SMALL + MAX_RATIO * path.stat().st_size)
    written = 0
    with tempfile.TemporaryFile() as plain:
        for part in opener(path):
            written += len(part)
            if written > most:
                raise _refused(path, f"more than {most:,} bytes")
            plain.write(part)
        plain.flush()
        plain.seek(0)
        return os.dup(plain.fileno())


def _too_much(path: Path) -> DatasetError:
    return _refused(path, f"more than {MAX_MEMBERS:,} files or {MAX_TOTAL / 1e9:,.0f} GB")


def _refused(path: Path, held: str) -> DatasetError:
    return DatasetError(
        f"Expected an archive of photos, received {path}, which holds {held}. Unpack it with a program that "
        "you trust, and set `ingest.source` to the folder."
    )


def _damaged(path: Path, error: Exception) -> DatasetError:
    return DatasetError(
        f"Expected a whole archive, received {path}, which is damaged ({error}). Copy or download it again."
    )
