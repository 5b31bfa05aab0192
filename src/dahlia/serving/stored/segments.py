r"""Segments: files of predictions, one record after the other. Who writes one holds a lock on it.

    segment = "dahlia predictions 1\n", marker (8 random bytes), record ...
    record  = marker, checksum, time, length of the facts, length and checksum of the image (little-endian),
              the facts (JSON), the image

Checksums are CRC-32; the first covers what follows it up to the image. The marker, which nobody can guess
who sends an image, is where reading goes on after a damaged record.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from dahlia.files import flush

MAGIC = b"dahlia predictions 1\n"
MARKER_BYTES = 8
START_BYTES = len(MAGIC) + MARKER_BYTES

_HEAD = struct.Struct("<8sIdIII")
_COVERED = struct.Struct("<dIII")
_UNCOVERED = _HEAD.size - _COVERED.size
_SEARCHED = 1 << 20
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-\d+-[0-9a-f]{8}\.segment")


@dataclass(frozen=True, slots=True)
class Record:
    """A record whose facts are whole.

    Attributes:
        time: when it was written, in seconds since 1970.
        facts: JSON.
        image_at: where in the segment its image begins.
        image_size: bytes.
        image_crc: CRC-32 of the image.
    """

    time: float
    facts: bytes
    image_at: int
    image_size: int
    image_crc: int

    @property
    def end(self) -> int:
        """Where in the segment the next record begins."""
        return self.image_at + self.image_size


def head_of(marker: bytes, time: float, facts: bytes, image: bytes) -> bytes:
    """What goes before the facts and the image of a record."""
    covered = _COVERED.pack(time, len(facts), len(image), zlib.crc32(image))
    return b"".join((marker, zlib.crc32(facts, zlib.crc32(covered)).to_bytes(4, "little"), covered))


def walk(file: BinaryIO, after: int = 0) -> Iterator[Record]:
    """The records of a segment as it is now, in order.

    Torn and damaged records are left out, those after them are found. That an image is what was written is
    for its reader to check.

    Args:
        file: the segment.
        after: the end of a record, as `Record.end` gives it: what follows is read; all where it is 0.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(START_BYTES)
    if len(start) < START_BYTES or not start.startswith(MAGIC):
        return
    marker = start[len(MAGIC) :]
    place: int | None = max(START_BYTES, after)
    while place is not None and place < size:
        record = _record_at(file, marker, place, size)
        if record:
            yield record
            place = record.end
        else:
            place = _next(file, marker, place + 1)


def segment_name(time: float) -> str:
    """A name that no other segment has; names sort by `time`, seconds since 1970."""
    return f"{datetime.fromtimestamp(time, UTC):{_STAMP}}-{os.getpid():07d}-{os.urandom(4).hex()}.segment"


def began(path: Path) -> float:
    """When a segment was begun, by its name, in seconds since 1970."""
    return datetime.strptime(path.name.partition("-")[0], _STAMP).replace(tzinfo=UTC).timestamp()


def segments_in(folder: Path) -> list[Path]:
    """The segments in a folder, the oldest first; none where there is no folder."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  # once a second, without a Path for each
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in sorted(names) if _NAME.fullmatch(name)]


def _record_at(file: BinaryIO, marker: bytes, place: int, size: int) -> Record | None:
    file.seek(place)
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size or not head.startswith(marker):
        return None
    _, crc, time, facts_size, image_size, image_crc = _HEAD.unpack(head)
    image_at = place + _HEAD.size + facts_size
    if image_at + image_size > size:
        return None
    facts = file.read(facts_size)
    if zlib.crc32(facts, zlib.crc32(head[_UNCOVERED:])) != crc:
        return None
    return Record(time, facts, image_at, image_size, image_crc)


def _next(file: BinaryIO, marker: bytes, place: int) -> int | None:
    while True:
        file.seek(place)
        chunk = file.read(_SEARCHED)
        found = chunk.find(marker)
        if found >= 0:
            return place + found
        if len(chunk) < len(marker):
            return None
        place += len(chunk) - len(marker) + 1


class Segment:
    """A segment of this process. Appending and closing are the caller's to keep apart.

    Attributes:
        began: when, in seconds since 1970.
        size: bytes of whole records and of what is before them.
        broken: whether a torn record is at its end, so that nothing may follow.
    """

    def __init__(self, folder: Path, marker: bytes, now: float) -> None:
        """Begin one in `folder`.

        Raises:
            OSError: it cannot be made or locked.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.began = now
        self.size = START_BYTES
        self.broken = False
        self._entered = False
        self._path = folder / segment_name(now)
        self._file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            _write(self._file, [MAGIC + marker])
        except OSError:
            os.close(self._file)
            self._path.unlink(missing_ok=True)
            raise

    @property
    def empty(self) -> bool:
        """Whether it has no record."""
        return self.size == START_BYTES

    @property
    def lost(self) -> bool:
        """Whether its file was deleted by somebody."""
        try:
            return os.fstat(self._file).st_nlink == 0
        except OSError:  # as network file systems say it
            return True

    def append(self, parts: Sequence[bytes], size: int) -> None:
        """Write a record of `size` bytes, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        try:
            _write(self._file, parts)
        except OSError:
            self._cut()
            raise
        self.size += size

    def sync(self) -> None:
        """Bring what was appended to the disk.

        Raises:
            OSError: the disk reports an error.
        """
        os.fsync(self._file)
        if not self._entered:
            flush(self._path.parent)
            self._entered = True

    def close(self) -> None:
        """Give up the lock; one without a record is deleted."""
        if self.empty:
            self._path.unlink(missing_ok=True)
        os.close(self._file)

    def _cut(self) -> None:
        try:
            os.ftruncate(self._file, self.size)
        except OSError:
            self.broken = True


def is_being_written(path: Path) -> bool:
    """Whether a living process appends to a segment.

    Raises:
        OSError: it cannot be opened.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _write(file: int, parts: Sequence[bytes]) -> None:
    written = os.writev(file, parts)
    if written < sum(map(len, parts)):  # as a disk does that is about to be full: the next call says why
        rest = memoryview(b"".join(parts))[written:]
        while rest:
            rest = rest[os.write(file, rest) :]
