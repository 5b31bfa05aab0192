"""What a file says of itself before a pixel is decoded, and how it is refused."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dahlia.dataset.formats import ImageFormat
from dahlia.errors import ImageError

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What a file says of itself before a pixel is decoded.

    Attributes:
        format: JPEG, PNG, BMP, GIF, WEBP, TIFF, HEIC or AVIF, by content.
        width: pixels as displayed, orientation applied.
        height: pixels as displayed, orientation applied.
        orientation: as EXIF counts it, 1 to 8; 1 where the file says nothing usable.
        components: colour components of a JPEG (1 grey, 3 colour, 4 CMYK); 0 for other formats.
        coefficients: bytes that a decoder keeps beside the pixels: of a JPEG until the last scan, of a TIFF a
            strip or tile, of a HEIC or AVIF its picture; 0 where it decodes line by line.
        bits: of a sample; 8 where a decoder gives no more.
        significant: of these bits, those that the file says count; 0 where it does not say.
        inverted: whether 0 is white in samples of 16 bits.
        cut_off: whether the file stops before its format's end, behind all that its pixels need.
        crop: left, top, right and bottom of what is displayed of the decoded pixels; None for all.
        coded: pixels that are decoded where they are more than are displayed; else 0.
    """

    format: ImageFormat
    width: int
    height: int
    orientation: int = 1
    components: int = 0
    coefficients: int = 0
    bits: int = 8
    significant: int = 0
    inverted: bool = False
    cut_off: bool = False
    crop: Box | None = None
    coded: int = 0

    @property
    def decoded(self) -> int:
        """Pixels that are decoded."""
        return max(self.coded, self.width * self.height)


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


def truncated(name: str, size: int) -> ImageError:
    """The refusal of a file that lacks pixels."""
    return ImageError(
        expected=f"a whole {name} file",
        received=f"{size:,} bytes that stop before its end",
        next="Copy or download the file again.",
        code="truncated",
    )


def unreadable(name: str, problem: str, advice: str = "Save it again with an image editor.") -> ImageError:
    """The refusal of a file that is damaged, or whose pixels are of a kind that is not read."""
    return ImageError(
        expected=f"a {name} image", received=f"one that {problem}", next=advice, code="unreadable"
    )
