"""Which image format a file has, by its first bytes; names do not count."""

from __future__ import annotations

import struct
from typing import Literal

from dahlia.dataset.foreign_files import foreign_kind
from dahlia.errors import ImageError

ImageFormat = Literal["JPEG", "PNG", "BMP", "GIF", "WEBP"]

_BMP_HEADERS = tuple(struct.pack("<I", size) for size in (12, 16, 40, 52, 56, 64, 108, 124))


def format_of(data: bytes) -> ImageFormat | None:
    """The format by content; None for what is no image, or one of another format."""
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
    return None


def sniff(data: bytes) -> ImageFormat:
    """The format by content.

    Raises:
        ImageError: `zero-byte`, `not-an-image` or `unsupported-format`.
    """
    if not data:
        raise ImageError(
            expected="an image", received="an empty file", next="Copy the file again.", code="zero-byte"
        )
    found = format_of(data)
    if found is None:
        raise _refusal(data)
    return found


def _refusal(data: bytes) -> ImageError:
    expected = "a JPEG, PNG, BMP, GIF or WebP image"
    kind = foreign_kind(data)
    if kind is None:
        return ImageError(
            expected=expected,
            received=f"{len(data):,} bytes that begin with {data[:8]!r}",
            next="Replace the file, or take it out.",
            code="not-an-image",
        )
    code = "unsupported-format" if kind.is_picture else "not-an-image"
    return ImageError(expected=expected, received=kind.name, next=kind.advice, code=code)
