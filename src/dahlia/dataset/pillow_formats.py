"""What Pillow decodes: all formats but JPEG, and JPEG in CMYK.

Pillow's own canvas is the only copy in full size; what is made of it is made strip by strip. A PNG of 0.4 MB
may hold a hundred million pixels, of which every further copy takes 300 to 400 MB.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
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

from dahlia.dataset.deep_samples import STRIP, deep_colours, grey_shift, joined, strips
from dahlia.dataset.headers import ImageHeader, tidy

Pixels = npt.NDArray[np.uint8]

STRIP_BYTES = 16  # for each of them, at most
DEEP_STRIP_BYTES = 64  # the same where samples have more than 8 bits


def _open_tiff(file: BytesIO) -> ImageFile.ImageFile:
    from PIL.TiffImagePlugin import TiffImageFile

    return TiffImageFile(file)


def _open_avif(file: BytesIO) -> ImageFile.ImageFile:
    from PIL import AvifImagePlugin

    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # its memory grows with them, and several images use the cores
    return AvifImagePlugin.AvifImageFile(file)


def _open_heic(file: BytesIO) -> ImageFile.ImageFile:
    from pi_heif import options
    from pi_heif.as_plugin import HeifImageFile

    options.DECODE_THREADS = 1
    image: ImageFile.ImageFile = HeifImageFile(file)
    return image


OPENERS: dict[str, Callable[[BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "TIFF": _open_tiff,
    "HEIC": _open_heic,
    "AVIF": _open_avif,
}
"""Pillow's plugin for each format: `Image.open` would try others too. The rarer ones load on first use."""

DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    RuntimeError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What decoders raise for a damaged file."""

_SAY_THEIR_SIZE_TWICE = ("HEIC", "AVIF")  # in the container, and in each picture
_CANVAS = 4  # bytes per pixel, at most
_BESIDE = {"WEBP": 13, "TIFF": 4}  # while it decodes: canvases of the decoder's own


@dataclass
class Canvas:
    """An image that is decoded, in its decoder's own kind of pixels.

    Attributes:
        image: Pillow's.
        header: of the file.
        shift: by how many bits grey samples of more than 8 bits are shifted down.
        low: the lower bytes of colours of 16 bits, where their upper ones are not what counts.
    """

    image: Image.Image
    header: ImageHeader
    shift: int = 0
    low: Image.Image | None = None

    def strips(self, rows: int) -> Iterator[tuple[int, Image.Image]]:
        """Strips of the image in RGB, on white, with their first rows."""
        for top, strip in strips(self.image, rows):
            if strip.mode.startswith("I"):
                yield top, Image.fromarray(self._grey(strip)).convert("RGB")
            elif self.low is None:
                yield top, _on_white(strip)
            else:
                lower = self.low.crop((0, top, strip.width, top + strip.height))
                yield top, _on_white(joined(strip, lower, self.shift))

    def _grey(self, strip: Image.Image) -> Pixels:
        values = np.asarray(strip)
        grey: Pixels = (values >> self.shift).astype(np.uint8)
        if self.header.inverted:
            grey = 255 - grey
        if "transparency" in self.image.info:
            grey[values == self.image.info["transparency"]] = 255
        return grey


def need_to_open(header: ImageHeader, pixels: int, later: int = 0) -> int:
    """Bytes that opening an image takes at most, with what is made of it.

    Args:
        header: of the file.
        pixels: to which it is decoded.
        later: bytes that are made of it strip by strip, when the decoder has ended.
    """
    pixels = max(pixels, header.coded)
    decoder = header.coefficients + _BESIDE.get(header.format, 0) * pixels
    canvas, strip = (2 * _CANVAS, DEEP_STRIP_BYTES) if header.bits > 8 else (_CANVAS, STRIP_BYTES)
    return canvas * pixels + strip * min(pixels, STRIP) + max(decoder, later)


@contextmanager
def opened(data: bytes, header: ImageHeader, draft: int | None = None) -> Iterator[Canvas]:
    """Decode an image to a canvas, of its first frame or page.

    The plugin itself opens it, not `Image.open`: its size is checked, and `Image.open` would warn of it.

    Args:
        data: the whole file.
        header: of it.
        draft: a JPEG may be decoded to fewer pixels, both edges not below this.

    Raises:
        Exception: one of `DAMAGE`, for a damaged file.
    """
    whole = tidy(data, header)
    with OPENERS[header.format](BytesIO(whole)) as image:
        if draft is not None:
            image.draft(None, (draft, draft))
        image.load()
        if header.format in _SAY_THEIR_SIZE_TWICE and image.width * image.height != header.decoded:
            raise ValueError(f"it is {image.width}x{image.height} pixels")
        shown = image.crop(header.crop) if header.crop else image
        if shown.mode.startswith("I"):
            yield Canvas(shown, header, grey_shift(shown, header))
        elif header.bits > 8:
            again = partial(OPENERS[header.format], BytesIO(whole))
            yield Canvas(shown, header, *deep_colours(shown, header, again))
        else:
            yield Canvas(shown, header)


def to_rgb(canvas: Canvas) -> Pixels:
    """(H, W, 3) of a canvas: palettes expanded, 16 bits cut to 8, alpha on white."""
    width, height = canvas.image.size
    pixels = np.empty((height, width, 3), np.uint8)
    for top, strip in canvas.strips(max(1, STRIP // width)):
        pixels[top : top + strip.height] = np.asarray(strip)
    return pixels


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    pixels = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(pixels, mask=pixels)
    return white
