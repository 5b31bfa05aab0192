"""Samples of more than 8 bits: which 8 of them count, and how Pillow is made to give them.

The rule depends on the file alone. Of 16 bits the upper 8 count, unless the values show that the file holds
fewer bits than it could: cameras of 12 bits, say, leave the upper four empty, and their photos would be
nearly black.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from dahlia.dataset.image_files.image_header import ImageHeader

STRIP = 1 << 20  # pixels that are at work at once

_USUAL = (8, 12)  # bits that values of 16 bits are taken to have where all fit in, if the file says nothing
_GREY_AND_OPACITY = "LA;16B"  # read as four bytes, it is both bytes of either
_SWAPPED = ";16B" if sys.byteorder == "little" else ";16L"
_OTHER_BYTE = {
    f"{mode}{end}": f"{mode}{other}"
    for mode in ("RGB", "RGBA", "RGBX")
    for end, other in ((";16B", ";16L"), (";16L", ";16B"), (";16N", _SWAPPED))
} | {_GREY_AND_OPACITY: "RGBA"}
"""Pillow's names for how pixels lie in a file -> those that make it take the other byte of each sample."""


def shift_of(most: int, used: int, bits: int, significant: int) -> int:
    """By how many bits values are shifted down to become 0 to 255.

    Args:
        most: the largest value.
        used: the bits that any value has.
        bits: of a sample: 12, or 16, in which there may be fewer.
        significant: of 16, those that the file says count; 0 where it does not say.
    """
    if bits < 16 or significant >= bits:
        return bits - 8
    if not significant:
        return next((fewer - 8 for fewer in _USUAL if most < 1 << fewer), bits - 8)
    # The standard of PNG wants them in the upper bits; then nothing is in the lower ones.
    counting = max(8, significant)
    is_low = most < 1 << counting and used & (1 << bits - counting) - 1
    return (counting if is_low else bits) - 8


def grey_shift(image: Image.Image, header: ImageHeader) -> int:
    """The shift of an image of one sample of more than 8 bits."""
    most = used = 0
    for _, strip in strips(image, max(1, STRIP // image.width)):
        most, used = _seen(np.asarray(strip), most, used)
    return shift_of(most, used, header.bits, header.significant)


def deep_colours(
    high: Image.Image, header: ImageHeader, again: Callable[[], ImageFile.ImageFile]
) -> tuple[int, Image.Image | None]:
    """The shift of colours of 16 bits, of which Pillow keeps the upper bytes.

    Where these are small, the file is decoded once more for the lower ones.

    Args:
        high: the upper bytes.
        header: of the file.
        again: opens the file.

    Returns:
        The shift, and the lower bytes; without them, the upper ones are the image.
    """
    if "transparency" in high.info:
        high.info["transparency"] = tuple(value >> 8 for value in high.info["transparency"])
    most = int(np.max(high.getextrema()[:3]))
    if shift_of(most << 8 | 255, 0xFFFF, header.bits, header.significant) == 8:
        return 8, None
    low = _lower_bytes(again)
    if low is None:
        return 8, None
    if header.crop:
        low = low.crop(header.crop)
    most = used = 0
    rows = max(1, STRIP // high.width)
    for (_, upper), (_, lower) in zip(strips(high, rows), strips(low, rows), strict=True):
        most, used = _seen(_words(upper, lower)[..., :3], most, used)
    shift = shift_of(most, used, header.bits, header.significant)
    return shift, None if shift == 8 else low


def joined(high: Image.Image, low: Image.Image, shift: int) -> Image.Image:
    """Colours of 16 bits, shifted down; opacity always has all of its 16 bits."""
    values = np.minimum(_words(high, low) >> shift, 255).astype(np.uint8)
    if high.mode.endswith("A"):
        values[..., -1] = np.asarray(high)[..., -1]
    return Image.fromarray(values)


def strips(image: Image.Image, rows: int) -> Iterator[tuple[int, Image.Image]]:
    """Strips of an image with their first rows; an image of no more rows is its own strip."""
    width, height = image.size
    if height <= rows:
        yield 0, image
        return
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(height, top + rows)))


def _lower_bytes(again: Callable[[], ImageFile.ImageFile]) -> Image.Image | None:
    """The lower bytes in the upper ones' mode; None where Pillow cannot read them."""
    with again() as image:
        args = [tile.args if isinstance(tile.args, tuple) else (tile.args,) for tile in image.tile]
        raw = {str(first) for first, *_ in args}
        if not raw <= set(_OTHER_BYTE):
            return None
        image.tile = [
            tile._replace(args=(_OTHER_BYTE[str(first)], *rest))
            for tile, (first, *rest) in zip(image.tile, args, strict=True)
        ]
        image.load()
    if _GREY_AND_OPACITY not in raw:
        return image
    _, grey, _, opacity = image.split()
    return Image.merge("RGBA", (grey, grey, grey, opacity))


def _seen(values: npt.NDArray[np.uint16], most: int, used: int) -> tuple[int, int]:
    return max(most, int(values.max())), used | int(np.bitwise_or.reduce(values, axis=None))


def _words(high: Image.Image, low: Image.Image) -> npt.NDArray[np.uint16]:
    words: npt.NDArray[np.uint16] = np.asarray(high).astype(np.uint16) << 8 | np.asarray(low)
    return words
