"""Which image format a file has, by its first bytes; names do not count."""

from __future__ import annotations

import re
import struct
from typing import Literal

from dahlia.errors import ImageError

ImageFormat = Literal["JPEG", "PNG", "BMP", "GIF", "WEBP"]

_FOREIGN: tuple[tuple[str, str], ...] = (
    (r"II\*\0|MM\0\*|II\+\0|MM\0\+", "TIFF"),
    (r"\s*<(svg|[?!].*<svg)", "SVG"),
    (r".{4}ftyp(heic|heix|hevc|mif1|msf1|heim|heis)", "HEIC"),
    (r".{4}ftypavi[fs]", "AVIF"),
    (r"\0\0\0\x0cjP  |\xffO\xffQ", "JPEG 2000"),
    (r"\0\0\0\x0cJXL |\xff\x0a", "JPEG XL"),
    (r"\0\0[\1\2]\0[^\0]", "ICO"),
    (r"8BPS", "Photoshop"),
    (r"%PDF", "PDF"),
    (r"P[1-7]\s", "Netpbm"),
)
_BMP_HEADERS = tuple(struct.pack("<I", size) for size in (12, 16, 40, 52, 56, 64, 108, 124))


def sniff(data: bytes) -> ImageFormat:
    """The format by content.

    Raises:
        ImageError: `zero-byte`, `not-an-image` or `unsupported-format`.
    """
    if not data:
        raise ImageError("Expected an image, received an empty file. Copy the file again.", code="zero-byte")
    if data[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:2] == b"BM" and data[14:18] in _BMP_HEADERS:
        return "BMP"
    raise _refusal(data)


def _refusal(data: bytes) -> ImageError:
    start = data[:1024].decode("latin-1").removeprefix("\xef\xbb\xbf")
    for pattern, name in _FOREIGN:
        if re.match(pattern, start, re.DOTALL | re.IGNORECASE):
            return ImageError(
                f"Expected a JPEG, PNG, BMP, GIF or WebP image, received {name}. Convert it to JPEG or PNG.",
                code="unsupported-format",
            )
    return ImageError(
        f"Expected a JPEG, PNG, BMP, GIF or WebP image, received {len(data):,} bytes that begin with "
        f"{data[:8]!r}. Replace the file, or take it out.",
        code="not-an-image",
    )
