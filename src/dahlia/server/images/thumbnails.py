"""Small JPEGs of large files, for looking at; also of files that a decoder can only open whole.

Photos are decoded at a fraction of their size where JPEG allows it. Of others the decoder's own canvas is
the only copy in full size.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from dahlia.dataset.decoding_memory import MEMORY
from dahlia.dataset.headers import ImageHeader
from dahlia.dataset.imaging import thumbnail
from dahlia.dataset.pillow_formats import DAMAGE, OPENERS, STRIP, need_to_open, strips
from dahlia.errors import ImageError

QUALITY = 85
SMALL_BYTES = 12  # for each pixel of the small image: Pillow's four, for it and what is made of it

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def shrink(data: bytes, header: ImageHeader, edge: int) -> bytes:
    """A JPEG of an image as displayed, on white, its longer edge at most `edge`.

    The file is decoded to its end.

    Args:
        data: the whole file.
        header: what `read_header` says of it.
        edge: pixels.

    Raises:
        ImageError: it is damaged.
    """
    if header.format == "JPEG" and header.components != 4:
        return thumbnail(data, edge)
    with MEMORY.hold(need_of(header, edge)):
        return _shrink(data, header, edge)


def need_of(header: ImageHeader, edge: int) -> int:
    """Bytes that shrinking with Pillow takes at most."""
    divisor = 1
    while header.format == "JPEG" and divisor < 8 and min(header.width, header.height) >= 4 * edge * divisor:
        divisor *= 2  # as Pillow's draft mode does
    width, height = -(-header.width // divisor), -(-header.height // divisor)
    small = width * height // _factor(width, height, edge) ** 2
    return need_to_open(header, width * height, SMALL_BYTES * small)


def _shrink(data: bytes, header: ImageHeader, edge: int) -> bytes:
    try:
        with OPENERS[header.format](io.BytesIO(data)) as image:
            image.draft(None, (2 * edge, 2 * edge))  # a JPEG in CMYK
            image.load()
            small = _reduced(image, _factor(*image.size, edge))
    except DAMAGE as error:
        raise ImageError(
            expected=f"a whole {header.format} image",
            received=f"one that is damaged ({error})",
            next="Copy the file again, or save it again with an image editor.",
            code="unreadable",
        ) from error
    if header.orientation in _TURNS:
        small = small.transpose(_TURNS[header.orientation])
    small.thumbnail((edge, edge), Image.Resampling.BOX)
    written = io.BytesIO()
    small.save(written, "JPEG", quality=QUALITY)
    return written.getvalue()


def _factor(width: int, height: int, edge: int) -> int:
    return max(1, max(width, height) // (2 * edge))


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    width, height = image.size
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, STRIP // (width * factor))
    for top, piece in strips(image, rows):
        strip = _on_white(piece)
        small.paste(strip.reduce(factor) if factor > 1 else strip, (0, top // factor))
    return small


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    pixels = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(pixels, mask=pixels)
    return white
