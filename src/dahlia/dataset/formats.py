"""Which image format a file has, or what else it is, by its first bytes; names do not count.

What is no image is named so that its owner recognises it.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Literal

from dahlia.errors import ImageError

ImageFormat = Literal["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "HEIC", "AVIF"]

SUFFIXES: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "HEIC": (".heic", ".heif", ".hif"),
    "AVIF": (".avif",),
}
"""How files of each format are named; the first is how Dahlia names them."""

FORMATS = "JPEG, PNG, BMP, GIF, WebP, TIFF, HEIC or AVIF"
"""The formats in words."""

_BMP_HEADERS = tuple(struct.pack("<I", size) for size in (12, 16, 40, 52, 56, 64, 108, 124))
_CONVERT = "Convert it to JPEG or PNG."
_HEIF_BRANDS = b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"


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
    if data[:4] in (b"II*\0", b"MM\0*"):
        return "TIFF"
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return _heif_format(data)
    return None


def _heif_format(data: bytes) -> ImageFormat:
    """HEIC or AVIF, by the kinds of file that it says it is; `mif1` and `msf1` alone leave that open."""
    length = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[place : place + 4] for place in range(16, length, 4))}
    return "AVIF" if brands & {b"avif", b"avis"} and data[8:12] != b"heic" else "HEIC"


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
    expected = f"a {FORMATS} image"
    kind = foreign_kind(data)
    if kind is None:
        return ImageError(
            expected=expected,
            received=f"{len(data):,} bytes that begin with {_beginning(data)}",
            next="Replace the file, or take it out.",
            code="not-an-image",
        )
    code = "unsupported-format" if kind.is_picture else "not-an-image"
    return ImageError(expected=expected, received=kind.name, next=kind.advice, code=code)


def _beginning(data: bytes) -> str:
    """The first eight bytes: text as text, others as hexadecimal numbers."""
    first = data[:8].decode("latin-1")
    return repr(first) if first.isascii() and first.isprintable() else data[:8].hex(" ")


@dataclass(frozen=True)
class Foreign:
    """A kind of file.

    Attributes:
        pattern: of its first 1024 bytes, read as Latin-1.
        name: as its owner knows it.
        advice: what to do.
        is_picture: whether it is an image, of a format that is not read.
    """

    pattern: str
    name: str
    advice: str = _CONVERT
    is_picture: bool = True


def _other(pattern: str, name: str, advice: str) -> Foreign:
    return Foreign(pattern, name, advice, is_picture=False)


# The first that fits counts.
_KINDS = (
    Foreign(r"II\+\0|MM\0\+", "BigTIFF"),
    _other(
        r"\s*<(!doctype\s+html|html|head|body)\b",
        "a web page (HTML)",
        "Take the address of the image itself, not that of the page around it.",
    ),
    Foreign(r"\s*<(svg|[?!].*<svg)", "SVG"),
    Foreign(r".{4}ftypcrx ", "a camera's raw photo (CR3)"),
    _other(r".{4}ftyp", "a video (MP4 or MOV)", "Save a frame of it as JPEG."),
    Foreign(r"\0\0\0\x0cjP  |\xffO\xffQ", "JPEG 2000"),
    Foreign(r"\0\0\0\x0cJXL |\xff\x0a", "JPEG XL"),
    Foreign(r"\0\0[\1\2]\0[^\0]", "ICO"),
    Foreign(r"8BPS", "Photoshop"),
    Foreign(r"%PDF", "PDF", "Save the page as JPEG or PNG."),
    Foreign(r"P[1-7]\s", "Netpbm"),
    _other(r"PK\x03\x04", "a ZIP archive", "Unpack it, and take the images one by one."),
    _other(r"\x1f\x8b|7z\xbc\xaf|Rar!", "a compressed archive", "Unpack it, and take the images one by one."),
    _other(
        r"version https://git-lfs",
        "a Git LFS pointer, which stands for the image in a repository",
        "Run `git lfs pull`, and take the image itself.",
    ),
    _other(r"\s*<\?xml", "XML", "Take the image itself."),
    _other(r"\s*[\[{]\s*[\"{\[\d]", "JSON", "Take the image itself."),
    _other(
        r"data:", "a data URL that holds no image which can be read", "Take the bytes of the image itself."
    ),
    _other(r"\s*\"?https?://", "an address (URL)", "Take the image that it leads to."),
    _other(
        r"(/9j/|iVBORw0KGgo|R0lGOD|UklGR)[\w+/=\s-]*\Z",
        "base64 text of an image that is not whole",
        "Encode it again, or take the bytes of the image itself.",
    ),
)


def foreign_kind(data: bytes) -> Foreign | None:
    """The kind of file that `data` begins like; None for one that is not known."""
    start = data[:1024].decode("latin-1").removeprefix("\xef\xbb\xbf")
    for kind in _KINDS:
        if re.match(kind.pattern, start, re.DOTALL | re.IGNORECASE):
            return kind
    return None
