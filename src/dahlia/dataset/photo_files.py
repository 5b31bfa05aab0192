"""Photos as files: in folders, and in archives, whose path they have before their own name."""

from __future__ import annotations

import os
from pathlib import Path

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
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return (size, None) if max_bytes is not None and size > max_bytes else (size, file.read(size))
    except NotADirectoryError:
        size = size_of(path)
        archive, name = _place(path)
        return (size, None) if max_bytes is not None and size > max_bytes else (size, archive.read(name))


def _place(path: Path) -> tuple[archives.Archive, str]:
    place = archives.inside(path)
    if place is None:
        raise FileNotFoundError(path)
    return archives.opened(place[0]), place[1]
