"""Photos as files: in folders, and in archives, whose path they have before their own name."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from dahlia.dataset import archives


def is_there(path: Path) -> bool:
    """Whether there is such a file."""
    # os.path.exists, unlike Path.exists, has an answer for names that are too long.
    if os.path.exists(path):  # noqa: PTH110
        return True
    place = archives.inside(path)
    return place is not None and archives.opened(place[0]).size(place[1]) is not None


def size_of(path: Path) -> int:
    """Bytes of a file.

    Raises:
        OSError: there is none.
        DatasetError: it is in an archive that cannot be read.
    """
    try:
        return path.stat().st_size
    except NotADirectoryError:
        archive, name = _place(path)
        size = archive.size(name)
        if size is None:
            raise FileNotFoundError(path) from None
        return size


def read_file(path: Path, max_bytes: int | None = None) -> tuple[int, bytes | None]:
    """The size of a file, and its content if it has at most `max_bytes`.

    Raises:
        OSError: it cannot be read.
        DatasetError: it is in an archive that cannot be read.
    """
    try:
        with _opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            return (size, None) if max_bytes is not None and size > max_bytes else (size, file.read(size))
    except NotADirectoryError:
        size = size_of(path)
        archive, name = _place(path)
        return (size, None) if max_bytes is not None and size > max_bytes else (size, archive.read(name))


def read_head(path: Path, count: int) -> bytes:
    """The first bytes of a file, at most `count`.

    Raises:
        OSError: it cannot be read.
        DatasetError: it is in an archive that cannot be read.
    """
    try:
        with _opened(path) as file:
            return file.read(count)
    except NotADirectoryError:
        archive, name = _place(path)
        return archive.head(name, count)


def _opened(path: Path) -> BinaryIO:
    """A file, opened for reading; what is none, such as a pipe, would be waited for or never end."""
    flags = getattr(os, "O_NONBLOCK", 0)
    file = open(path, "rb", opener=lambda name, mode: os.open(name, mode | flags))  # noqa: SIM115
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(f"{path.name} is no file but a pipe or a device")


def _place(path: Path) -> tuple[archives.Archive, str]:
    place = archives.inside(path)
    if place is None:
        raise FileNotFoundError(path)
    return archives.opened(place[0]), place[1]
