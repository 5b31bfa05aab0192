"""What an image file says of itself: format, size and orientation, and whether it reaches its end.

Nothing is allocated or decoded here, so a header that promises a billion pixels costs nothing.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from dahlia.dataset.formats import ImageFormat, sniff
from dahlia.errors import ImageError

USUAL_SCANS = 16
MAX_SCANNED = 1_500_000_000  # pixels of all scans together; decoding takes about 15 ns for each
MAX_SCANS = 200  # a progressive JPEG has about ten; thousands of tiny scans cost hours to decode

_JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
_JPEG_NOT_FRAMES = (0xC4, 0xC8, 0xCC)
_JPEG_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_BLOCK = 8 * 8 * 2  # bytes of the coefficients of 8 x 8 samples


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What a file says of itself before a pixel is decoded.

    Attributes:
        format: JPEG, PNG, BMP, GIF or WEBP, by content.
        width: pixels as displayed, EXIF orientation applied.
        height: pixels as displayed, EXIF orientation applied.
        orientation: the EXIF orientation, 1 to 8; 1 where the file says nothing usable.
        components: colour components of a JPEG (1 grey, 3 colour, 4 CMYK); 0 for other formats.
        coefficients: bytes that a decoder of JPEG keeps until the last scan; 0 where it decodes line by line.
    """

    format: ImageFormat
    width: int
    height: int
    orientation: int = 1
    components: int = 0
    coefficients: int = 0


def read_header(data: bytes) -> ImageHeader:
    """Read the header and walk the file's blocks to their end.

    Bytes after the end, and stray bytes between the markers of a JPEG, are allowed. A file that stops
    before its format's own end is refused, even if all of its pixels might be there.

    Raises:
        ImageError: `zero-byte`, `not-an-image`, `unsupported-format`, `truncated` or `unreadable`.
    """
    name = sniff(data)
    try:
        header = _PARSERS[name](data)
    except (IndexError, struct.error):
        raise _truncated(name, len(data)) from None
    if header.width < 1 or header.height < 1:
        raise _unreadable(name, f"is {header.width}x{header.height} pixels")
    if header.orientation >= 5:
        return replace(header, width=header.height, height=header.width)
    return header


def orientation_of(exif: bytes) -> int:
    """The orientation, 1 to 8, in an EXIF block; 1 where it is missing or damaged.

    Source: Exif 2.32, section 4.6.4, tag 0x0112 of the first image file directory.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for index in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, start + 2 + 12 * index)
            if tag == 0x0112:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:
        pass  # a damaged EXIF block does not make the photo unusable
    return 1


def without_stray_bytes(data: bytes) -> bytes:
    """A JPEG without the stray bytes between the segments of its header, which libjpeg only warns of."""
    kept, position = [data[:2]], 2
    while marker := _JPEG_MARKER.search(data, position):
        if marker[1] == b"\xda":
            kept.append(data[marker.start() :])
            break
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
        kept.append(data[marker.start() : position])
    return b"".join(kept)


def _jpeg(data: bytes) -> ImageHeader:
    height = width = components = scans = coefficients = 0
    is_progressive = False
    orientation, position = 1, 2
    while marker := _JPEG_MARKER.search(data, position):
        code, position = marker[1][0], marker.end()
        if code == 0xD9 and not (scans and components):
            raise _unreadable("JPEG", "has no image in it")
        if code == 0xD9:
            kept = coefficients if is_progressive or scans > 1 else 0
            return ImageHeader("JPEG", width, height, orientation, components, kept)
        if code in (0x01, 0xD8):
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        if 0xC0 <= code <= 0xCF and code not in _JPEG_NOT_FRAMES and not components:
            height, width, components = struct.unpack_from(">HHB", data, position + 3)
            coefficients = _jpeg_coefficients(width, height, data[position + 8 :][: 3 * components])
            is_progressive = code in _JPEG_PROGRESSIVE
        elif code == 0xE1 and data[position + 2 : position + 8] == b"Exif\0\0":
            orientation = orientation_of(data[position + 8 : position + length])
        elif code == 0xDA:
            scans += 1
        if scans > MAX_SCANS:
            raise _unreadable("JPEG", f"has more than {MAX_SCANS} scans")
        if scans > USUAL_SCANS and scans * width * height > MAX_SCANNED:
            raise _unreadable(
                "JPEG", f"has {scans} scans of {width}x{height} pixels, which take long to decode"
            )
        position += length
    raise _truncated("JPEG", len(data))


def _jpeg_coefficients(width: int, height: int, components: bytes) -> int:
    """Bytes of all coefficients; a component is its number, its sampling factors, and its table."""
    factors = [(each >> 4 or 1, each & 15 or 1) for each in components[1::3]]
    across, down = (max((pair[axis] for pair in factors), default=1) for axis in (0, 1))
    units = -(-width // (8 * across)) * -(-height // (8 * down))  # of so many blocks of each component
    return _BLOCK * units * sum(h * v for h, v in factors)


def _png(data: bytes) -> ImageHeader:
    width = height = 0
    orientation, position = 1, 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, position)
        start, end = position + 8, position + 8 + length
        (checksum,) = struct.unpack_from(">I", data, end)
        if kind[0] < 0x60 and zlib.crc32(memoryview(data)[position + 4 : end]) != checksum:
            raise _unreadable("PNG", f"has a damaged {kind.decode('latin-1')} block")
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", data, start)
        elif kind == b"eXIf":
            orientation = orientation_of(data[start:end])
        elif kind == b"IEND":
            return ImageHeader("PNG", width, height, orientation)
        position = end + 4


def _bmp(data: bytes) -> ImageHeader:
    offset, size = struct.unpack_from("<II", data, 10)
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    height = abs(height)
    stride = (width * bits + 31) // 32 * 4
    if compression in (0, 3, 6) and len(data) < offset + stride * height:
        raise _truncated("BMP", len(data))
    return ImageHeader("BMP", width, height)


def _gif(data: bytes) -> ImageHeader:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position, frames = 13 + _gif_palette(flags), 0
    while data[position] != 0x3B:
        kind, position = data[position], position + 1
        if kind == 0x21:
            position = _gif_blocks(data, position + 1)
        elif kind == 0x2C:
            left, top, across, down, flags = struct.unpack_from("<HHHHB", data, position)
            if not frames:
                width, height = max(width, left + across), max(height, top + down)
            frames += 1
            position = _gif_blocks(data, position + 10 + _gif_palette(flags))
    if not frames:
        raise _unreadable("GIF", "has no image in it")
    return ImageHeader("GIF", width, height)


def _gif_palette(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks(data: bytes, position: int) -> int:
    while data[position]:
        position += data[position] + 1
    return position + 1


def _webp(data: bytes) -> ImageHeader:
    end = int.from_bytes(data[4:8], "little") + 8
    if len(data) < end:
        raise _truncated("WEBP", len(data))
    width = height = 0
    orientation, position = 1, 12
    while position + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, position)
        start = position + 8
        if kind == b"EXIF":
            orientation = orientation_of(data[start : start + length])
        elif not width:
            width, height = _webp_size(kind, data[start : start + 10])
        position = start + length + length % 2
    return ImageHeader("WEBP", width, height, orientation)


def _webp_size(kind: bytes, payload: bytes) -> tuple[int, int]:
    if kind == b"VP8X":
        return int.from_bytes(payload[4:7], "little") + 1, int.from_bytes(payload[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(payload[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", payload, 6)
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0


def _truncated(name: str, size: int) -> ImageError:
    return ImageError(
        expected=f"a whole {name} file",
        received=f"{size:,} bytes that stop before its end",
        next="Copy or download the file again.",
        code="truncated",
    )


def _unreadable(name: str, problem: str) -> ImageError:
    return ImageError(
        expected=f"a {name} image",
        received=f"one that {problem}",
        next="Save it again with an image editor.",
        code="unreadable",
    )


_PARSERS: dict[ImageFormat, Callable[[bytes], ImageHeader]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "BMP": _bmp,
    "GIF": _gif,
    "WEBP": _webp,
}
