"""What an image file says of itself: format, size, orientation, and whether its pixels can be all there.

Nothing is allocated or decoded here, so a header that promises a billion pixels costs nothing. What a decoder
is given is `tidy`: the file without what its pixels do not need.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

from dahlia.dataset.formats import ImageFormat, sniff
from dahlia.dataset.image_files.bmp_file import read_bmp, tidy_bmp
from dahlia.dataset.image_files.gif_file import read_gif, tidy_gif
from dahlia.dataset.image_files.image_header import ImageHeader, truncated, unreadable
from dahlia.dataset.image_files.jpeg_file import read_jpeg, with_end
from dahlia.dataset.image_files.png_file import read_png, tidy_png
from dahlia.dataset.image_files.webp_file import read_webp, tidy_webp

__all__ = ["ImageHeader", "read_header", "tidy"]


def read_header(data: bytes) -> ImageHeader:
    """Read the header and walk the file's blocks to their end.

    Bytes after the end, and stray bytes between the markers of a JPEG, are allowed. A file that stops before
    its format's own end is `cut_off`, or refused where its pixels cannot be all there; which of the others
    lack pixels, the decoder finds.

    Raises:
        ImageError: `zero-byte`, `not-an-image`, `unsupported-format`, `truncated` or `unreadable`.
    """
    name = sniff(data)
    try:
        header = _PARSERS[name](data)
    except (IndexError, struct.error):
        raise truncated(name, len(data)) from None
    if header.width < 1 or header.height < 1:
        raise unreadable(name, f"is {header.width}x{header.height} pixels")
    if header.orientation >= 5:
        return replace(header, width=header.height, height=header.width)
    return header


def tidy(data: bytes, header: ImageHeader) -> bytes:
    """What a decoder is given: the pixels of the file, or of its first frame or page, with a whole end.

    Raises:
        ImageError: the file is damaged.
        struct.error, IndexError: for the same reason.
    """
    if header.format == "JPEG":
        return with_end(data) if header.cut_off else data
    return _TIDIERS[header.format](data)


def _read_tiff(data: bytes) -> ImageHeader:
    from dahlia.dataset.image_files.tiff_file import read_tiff

    return read_tiff(data)


def _tidy_tiff(data: bytes) -> bytes:
    from dahlia.dataset.image_files.tiff_file import tidy_tiff

    return tidy_tiff(data)


def _read_heif(data: bytes) -> ImageHeader:
    from dahlia.dataset.image_files.heif_file import read_heif

    return read_heif(data)


def _tidy_heif(data: bytes) -> bytes:
    from dahlia.dataset.image_files.heif_file import tidy_heif

    return tidy_heif(data)


_PARSERS: dict[ImageFormat, Callable[[bytes], ImageHeader]] = {
    "JPEG": read_jpeg,
    "PNG": read_png,
    "BMP": read_bmp,
    "GIF": read_gif,
    "WEBP": read_webp,
    "TIFF": _read_tiff,
    "HEIC": _read_heif,
    "AVIF": _read_heif,
}
_TIDIERS: dict[ImageFormat, Callable[[bytes], bytes]] = {
    "PNG": tidy_png,
    "BMP": tidy_bmp,
    "GIF": tidy_gif,
    "WEBP": tidy_webp,
    "TIFF": _tidy_tiff,
    "HEIC": _tidy_heif,
    "AVIF": _tidy_heif,
}
