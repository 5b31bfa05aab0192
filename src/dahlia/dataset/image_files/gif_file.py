"""GIF: the first frame is what counts; what comes behind it is passed over, whole or not."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dahlia.dataset.image_files.image_header import ImageHeader, truncated, unreadable


@dataclass
class _First:
    """The size of the canvas with the first frame, and where that ends."""

    width: int
    height: int
    end: int


def read_gif(data: bytes) -> ImageHeader:
    """The header. A file is cut off where it stops, or makes no sense, behind its first frame.

    Raises:
        ImageError: `truncated` or `unreadable`.
    """
    first = _first(data)
    return ImageHeader("GIF", first.width, first.height, cut_off=not _ends(data, first.end))


def tidy_gif(data: bytes) -> bytes:
    """A GIF of the first frame."""
    return data[: _first(data).end] + b";"


def _first(data: bytes) -> _First:
    try:
        width, height, flags = struct.unpack_from("<HHB", data, 6)
        position = 13 + _palette(flags)
        while data[position] not in b"\x3b\x2c":
            position = _next(data, position)
        if data[position] == 0x3B:
            raise unreadable("GIF", "has no image in it")
        left, top, across, down = struct.unpack_from("<HHHH", data, position + 1)
        return _First(max(width, left + across), max(height, top + down), _next(data, position))
    except (IndexError, struct.error):
        raise truncated("GIF", len(data)) from None


def _ends(data: bytes, position: int) -> bool:
    try:
        while data[position] != 0x3B:
            position = _next(data, position)
    except IndexError:
        return False
    return True


def _next(data: bytes, position: int) -> int:
    """Behind the block, the frame or the stray byte that begins at `position`."""
    kind = data[position]
    if kind == 0x21:
        return _blocks(data, position + 2)
    if kind == 0x2C:
        return _blocks(data, position + 11 + _palette(data[position + 9]))
    return position + 1


def _palette(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks(data: bytes, position: int) -> int:
    while data[position]:
        position += data[position] + 1
    return position + 1
