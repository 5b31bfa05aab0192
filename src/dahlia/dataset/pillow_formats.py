"""What Pillow decodes: PNG, BMP, GIF, WebP, and JPEG in CMYK.

Pillow's own canvas is the only copy in full size; what is made of it is made strip by strip. A PNG of 0.4 MB
may hold a hundred million pixels, of which every further copy takes 300 to 400 MB.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from dahlia.dataset.headers import ImageHeader

Pixels = npt.NDArray[np.uint8]

STRIP = 1 << 20  # pixels that are at work at once
STRIP_BYTES = 16  # for each of them, at most

OPENERS: dict[str, Callable[[BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
"""Pillow's plugin for each format: `Image.open` would try others too."""

DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    IndexError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What decoders raise for a damaged file."""

_CANVAS = 4  # bytes per pixel, at most
_BESIDE = {"WEBP": 13}  # while it decodes: that decoder has canvases of its own


def need_to_open(header: ImageHeader, pixels: int, later: int = 0) -> int:
    """Bytes that opening an image takes at most, with what is made of it.

    Args:
        header: of the file.
        pixels: to which it is decoded.
        later: bytes that are made of it strip by strip, when the decoder has ended.
    """
    decoder = header.coefficients + _BESIDE.get(header.format, 0) * pixels
    return _CANVAS * pixels + STRIP_BYTES * min(pixels, STRIP) + max(decoder, later)


def to_rgb(image: Image.Image) -> Pixels:
    """(H, W, 3) of an image that was loaded: palettes expanded, 16 bits cut to 8, alpha on white."""
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    for top, strip in strips(image, max(1, STRIP // width)):
        pixels[top : top + strip.height] = _strip_to_rgb(strip)
    return pixels


def strips(image: Image.Image, rows: int) -> Iterator[tuple[int, Image.Image]]:
    """Strips of an image with their first rows; an image of no more rows is its own strip."""
    width, height = image.size
    if height <= rows:
        yield 0, image
        return
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(height, top + rows)))


def _strip_to_rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I"):
        return _from_16_bits(image)
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    pixels = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(pixels, mask=pixels)
    return np.asarray(white)


def _from_16_bits(image: Image.Image) -> Pixels:
    values = np.asarray(image)
    grey = (values >> 8).astype(np.uint8)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return np.repeat(grey[..., None], 3, axis=2)
