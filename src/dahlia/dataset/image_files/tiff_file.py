"""TIFF: the first page, of the kinds that scanners, microscopes and editors write.

Of a file's directories only the first is read. The decoder is given one with nothing but what its pixels
need, and no way to another.

Source: TIFF 6.0; compressions and their numbers as libtiff has them.
"""

from __future__ import annotations

import struct

from dahlia.dataset.image_files.image_header import ImageHeader, truncated, unreadable
from dahlia.dataset.image_files.jpeg_file import read_jpeg
from dahlia.dataset.image_files.tiff_page import UNCOMPRESSED, Page, Tag, directory_of, read_page
from dahlia.errors import ImageError

_CONVERT = "Save it as PNG or JPEG."
_MOST_SAMPLES = 6
_SMALL_TILE = 1024  # pixels of an edge; larger tiles may not be larger than the image

_NOT_PASSED_ON = {Tag.SUBFILE, Tag.ORIENTATION, Tag.FORMAT, Tag.DNG}
_JPEG = 7
_COMPRESSIONS = {UNCOMPRESSED, 2, 3, 4, 5, _JPEG, 8, 32773, 32946}  # CCITT, LZW, JPEG, Deflate, PackBits
_OTHERS = {6: "JPEG of the old kind", 50000: "Zstandard", 34925: "LZMA", 50001: "WebP", 34712: "JPEG 2000"}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _YCBCR = 0, 1, 6
_COLOUR_KINDS = {_WHITE_IS_ZERO, _BLACK_IS_ZERO, 2, 3, 5, _YCBCR}
_RAW = "of a camera's raw data"
_OTHER_COLOURS = {8: "in CIELab", 9: "in ICCLab", 32803: _RAW, 34892: _RAW}


def read_tiff(data: bytes) -> ImageHeader:
    """The header of the first page.

    Raises:
        ImageError: `truncated`, or `unreadable` where samples, colours or compression are of other kinds.
    """
    page = read_page(data)
    _check_kind(page)
    _check_pieces(page)
    _check_places(page, len(data))
    if page.one(Tag.COMPRESSION, UNCOMPRESSED) == _JPEG:
        _check_jpegs(page, data)
    bits = page.one(Tag.BITS, 1)
    inverted = bits == 16 and page.one(Tag.COLOURS, _BLACK_IS_ZERO) == _WHITE_IS_ZERO
    orientation = page.one(Tag.ORIENTATION, 1)
    return ImageHeader(
        "TIFF",
        page.width,
        page.height,
        orientation if 1 <= orientation <= 8 else 1,
        coefficients=2 * page.piece_bytes,
        bits=max(8, bits),
        significant=bits * (1 in page.tags.get(Tag.EXTRA, ())),  # of colours multiplied by opacity, all
        inverted=inverted,
    )


def tidy_tiff(data: bytes) -> bytes:
    """A TIFF of one page, upright, with the tags that its pixels need."""
    page = read_page(data)
    tags = {tag: values for tag, values in page.tags.items() if tag not in _NOT_PASSED_ON}
    if page.one(Tag.BITS, 1) == 16 and page.one(Tag.COLOURS, _BLACK_IS_ZERO) == _WHITE_IS_ZERO:
        tags[Tag.COLOURS] = (_BLACK_IS_ZERO,)  # Pillow leaves such samples as they are
    if page.is_tiled:
        for tag in (Tag.STRIPS, Tag.STRIP_BYTES, Tag.ROWS):
            tags.pop(tag, None)
    else:
        tags |= {Tag.STRIPS: page.offsets, Tag.STRIP_BYTES: page.lengths, Tag.ROWS: (page.rows,)}
    start = len(data) + len(data) % 2
    pad = bytes(start - len(data))
    head = data[:4] + struct.pack(f"{page.order}I", start)
    return head + data[8:] + pad + directory_of(page.order, start, tags)


def _check_kind(page: Page) -> None:
    """Let pages pass whose samples, colours and compression are read.

    Raises:
        ImageError: `unreadable`.
    """
    if Tag.DNG in page.tags or page.one(Tag.SUBFILE) & 1:
        raise unreadable("TIFF", "begins with a small preview, as a camera's raw files do", _CONVERT)
    formats, bits = set(page.tags.get(Tag.FORMAT, (1,))), set(page.tags.get(Tag.BITS, (1,)))
    colours, compression = page.one(Tag.COLOURS, _BLACK_IS_ZERO), page.one(Tag.COMPRESSION, UNCOMPRESSED)
    if formats & {3, 6}:
        raise _unsupported("samples that are floating-point numbers")
    if not formats <= {1, 4}:
        raise _unsupported("samples with a sign")
    if len(bits) != 1 or not bits <= {1, 2, 4, 8, 12, 16}:
        raise _unsupported(f"samples of {' and '.join(map(str, sorted(bits)))} bits")
    if not 1 <= page.one(Tag.SAMPLES, 1) <= _MOST_SAMPLES:
        raise _unsupported(f"{page.one(Tag.SAMPLES, 1)} samples for each pixel")
    if colours not in _COLOUR_KINDS:
        raise _unsupported(f"colours {_OTHER_COLOURS.get(colours, f'of kind {colours}')}")
    if colours == _YCBCR and compression != _JPEG:
        raise _unsupported("colours in YCbCr that are not compressed as JPEG")
    if compression not in _COMPRESSIONS:
        raise _unsupported(f"compression {_OTHERS.get(compression, f'of kind {compression}')}")


def _check_pieces(page: Page) -> None:
    """Let pages pass whose strips or tiles are no larger than the image calls for.

    Raises:
        ImageError: `unreadable`.
    """
    if page.width < 1 or page.height < 1:
        raise unreadable("TIFF", f"is {page.width}x{page.height} pixels")
    for size, edge in zip(page.piece, (page.width, page.height), strict=True):
        if not 1 <= size <= max(edge + 15, _SMALL_TILE):
            raise unreadable("TIFF", f"is {page.width}x{page.height} pixels in tiles of {size}")


def _check_places(page: Page, size: int) -> None:
    """Let pages pass whose strips or tiles are all there.

    Raises:
        ImageError: `truncated`.
    """
    offsets = page.offsets
    if len(offsets) != page.pieces:
        raise truncated("TIFF", size)
    lengths = page.lengths
    if len(lengths) != page.pieces or any(
        offset + length > size for offset, length in zip(offsets, lengths, strict=True)
    ):
        raise truncated("TIFF", size)


def _check_jpegs(page: Page, data: bytes) -> None:
    """Let pages pass whose strips or tiles are JPEGs of one scan or few, no larger than they should be.

    Raises:
        ImageError: `unreadable`.
    """
    width, height = page.piece
    for offset, length in zip(page.offsets, page.lengths, strict=True):
        try:
            header = read_jpeg(data[offset : offset + length])
        except (ImageError, IndexError, struct.error):
            raise unreadable("TIFF", "has a damaged JPEG in it") from None
        if header.width > width or header.height > height or header.coefficients:
            raise unreadable("TIFF", "has a JPEG in it that is progressive or too large", _CONVERT)


def _unsupported(what: str) -> ImageError:
    return unreadable("TIFF", f"has {what}", _CONVERT)
