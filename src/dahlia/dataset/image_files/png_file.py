"""PNG: of all chunks only those that make the pixels are passed on.

Text and colour profiles may unpack to any size, and checksums of chunks that no pixel needs do not count.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from dahlia.dataset.image_files.image_header import ImageHeader, orientation_of, truncated, unreadable

_START = b"\x89PNG\r\n\x1a\n"
_PALETTE = 3  # the type of colour whose samples are places in a palette
_TRANSPARENT = {0: 2, 2: 6}  # type of colour -> bytes of tRNS


@dataclass
class _Chunk:
    kind: bytes
    start: int
    end: int
    whole: bool


def read_png(data: bytes) -> ImageHeader:
    """The header. A file without its IEND is cut off; whether pixels are missing, the decoder says.

    Raises:
        ImageError: `truncated` or `unreadable`.
    """
    width = height = bits = colour = 0
    orientation, significant = 1, 0
    has_pixels = ends = False
    for chunk in _chunks(data):
        kind, content = chunk.kind, data[chunk.start : chunk.end] if chunk.kind != b"IDAT" else b""
        if kind == b"IEND":
            ends = chunk.whole
        elif chunk.whole and _is_needed(kind) and not _is_sound(data, chunk):
            raise unreadable("PNG", f"has a damaged {kind.decode('latin-1')} block")
        if kind == b"IHDR" and not width:
            width, height, bits, colour = struct.unpack_from(">IIBB", content)
        elif kind == b"eXIf" and _is_sound(data, chunk):
            orientation = orientation_of(content)
        elif kind == b"sBIT" and _is_sound(data, chunk):
            significant = max(content[: 3 if colour & 2 else 1], default=0)
        has_pixels = has_pixels or kind == b"IDAT"
    if not has_pixels:
        raise unreadable("PNG", "has no image in it") if ends else truncated("PNG", len(data))
    bits = 16 if bits == 16 else 8
    return ImageHeader(
        "PNG", width, height, orientation, bits=bits, significant=significant * (bits == 16), cut_off=not ends
    )


def tidy_png(data: bytes) -> bytes:
    """A PNG of the chunks that its pixels need: IHDR, PLTE, tRNS, IDAT and IEND.

    So an animation becomes its default image.
    """
    head: dict[bytes, bytes] = {}
    pixels: list[bytes] = []
    colour = -1
    for chunk in _chunks(data):
        kind = chunk.kind
        if kind == b"IDAT":
            pixels.append(_copied(data, chunk))
        elif kind in (b"IHDR", b"PLTE", b"tRNS") and chunk.whole and not pixels:
            colour = data[chunk.start + 9] if kind == b"IHDR" and colour < 0 else colour
            if kind != b"tRNS" or (_is_sound(data, chunk) and _fits(chunk, colour)):
                head.setdefault(kind, _copied(data, chunk))
    ordered = [head[kind] for kind in (b"IHDR", b"PLTE", b"tRNS") if kind in head]
    return b"".join([_START, *ordered, *pixels, _made(b"IEND", b"")])


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """The chunks with the places of what is in them; the last one may be cut."""
    position = len(_START)
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        start, end = position + 8, position + 8 + length
        chunk = _Chunk(kind, start, min(end, len(data)), end + 4 <= len(data))
        yield chunk
        if not chunk.whole or kind == b"IEND":
            return
        position = end + 4


def _is_needed(kind: bytes) -> bool:
    return kind[0] < 0x60  # as the letter's case says


def _is_sound(data: bytes, chunk: _Chunk) -> bool:
    if not chunk.whole:
        return False
    checksum = int.from_bytes(data[chunk.end : chunk.end + 4], "big")
    return zlib.crc32(memoryview(data)[chunk.start - 4 : chunk.end]) == checksum


def _fits(chunk: _Chunk, colour: int) -> bool:
    length = chunk.end - chunk.start
    return 0 < length <= 256 if colour == _PALETTE else length == _TRANSPARENT.get(colour)


def _copied(data: bytes, chunk: _Chunk) -> bytes:
    if chunk.whole:
        return data[chunk.start - 8 : chunk.end + 4]
    return _made(chunk.kind, data[chunk.start : chunk.end])


def _made(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", checksum)
