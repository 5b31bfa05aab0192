"""WebP: chunks of a RIFF file, of which those with pixels count."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dahlia.dataset.image_files.image_header import ImageHeader, orientation_of, truncated, unreadable

_PIXELS = (b"VP8 ", b"VP8L", b"ANMF")
_WITH_METADATA = 0x20 | 0x08 | 0x04  # flags of VP8X: colour profile, EXIF, XMP


def read_webp(data: bytes) -> ImageHeader:
    """The header. A file is cut off where it stops behind a whole frame.

    Raises:
        ImageError: `truncated` or `unreadable`.
    """
    width = height = 0
    orientation, has_pixels = 1, False
    for kind, start, end in _chunks(data):
        if kind == b"EXIF":
            orientation = orientation_of(data[start:end])
        elif not width:
            width, height = _size(kind, data[start : start + 10])
        has_pixels = has_pixels or kind in _PIXELS
    cut_off = len(data) < _length(data)
    if not has_pixels:
        raise truncated("WEBP", len(data)) if cut_off else unreadable("WEBP", "has no image in it")
    return ImageHeader("WEBP", width, height, orientation, cut_off=cut_off)


def tidy_webp(data: bytes) -> bytes:
    """A WebP of the whole chunks of one that was cut off; any other as it is."""
    if len(data) >= _length(data):
        return data
    parts = []
    for kind, start, end in _chunks(data):
        content = data[start:end]
        if kind == b"VP8X":
            content = bytes([content[0] & ~_WITH_METADATA]) + content[1:]
        if kind in (b"VP8X", b"ANIM", b"ALPH", *_PIXELS):
            parts.append(struct.pack("<4sI", kind, len(content)) + content + b"\0" * (len(content) % 2))
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _length(data: bytes) -> int:
    return int.from_bytes(data[4:8], "little") + 8


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The whole chunks with the places of what is in them."""
    last = min(_length(data), len(data))
    position = 12
    while position + 8 <= last:
        kind, length = struct.unpack_from("<4sI", data, position)
        start, end = position + 8, position + 8 + length
        if end > last:
            return
        yield kind, start, end
        position = end + length % 2


def _size(kind: bytes, payload: bytes) -> tuple[int, int]:
    if kind == b"VP8X":
        return int.from_bytes(payload[4:7], "little") + 1, int.from_bytes(payload[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(payload[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", payload, 6)
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0
