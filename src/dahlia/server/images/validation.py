"""Whether an uploaded image is taken: within the limits, and known to decode to its end, with a thumbnail.

Photos are decoded at a fraction of their size where JPEG allows it. Of others the decoder's own canvas is the
only copy in full size.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias, get_args

from PIL import Image

from dahlia.dataset.decoding_memory import MEMORY
from dahlia.dataset.deep_samples import STRIP
from dahlia.dataset.formats import SUFFIXES, ImageFormat
from dahlia.dataset.headers import ImageHeader, read_header
from dahlia.dataset.imaging import SERVED_PIXELS, check_cmyk, damaged, thumbnail
from dahlia.dataset.pillow_formats import DAMAGE, Canvas, need_to_open, opened
from dahlia.dataset.polyglots import refuse_polyglot
from dahlia.errors import ImageError

THUMBNAIL_EDGE = 256  # pixels
RESIZED_EDGE = 1600  # pixels; the original's
RefusedStatus: TypeAlias = Literal["ErrorImageFormat", "ErrorImageSize", "ErrorImageDimensions"]
"""The values of `ImageCreateStatus` that an image itself can cause."""
QUALITY = 85
SMALL_BYTES = 12  # for each pixel of the small image: Pillow's four, for it and what is made of it
_COSTLY = {"WEBP": "WebP", "TIFF": "TIFF", "HEIC": "HEIC", "AVIF": "AVIF"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Received:
    """An image that is taken.

    Attributes:
        sha256: of the bytes, in hexadecimal.
        width: pixels as displayed.
        height: pixels as displayed.
        suffix: of the format, such as `.jpg`.
        size: bytes.
        thumbnail: a JPEG, its longer edge at most 256 pixels.
        data: the bytes as they came.
    """

    sha256: str
    width: int
    height: int
    suffix: str
    size: int
    thumbnail: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken; the defaults are the original's.

    Attributes:
        max_bytes: of a file.
        max_edge: pixels of the longer edge, as displayed.
        max_aspect: the longer edge over the shorter.
        formats: by content.
        max_costly_pixels: of formats that the original does not take, which need up to five times the memory
            of others: WebP, TIFF, HEIC and AVIF.
    """

    max_bytes: int = 6 * 1024 * 1024
    max_edge: int = 10240
    max_aspect: float = 25
    formats: frozenset[ImageFormat] = frozenset(get_args(ImageFormat))
    max_costly_pixels: int = SERVED_PIXELS


class Refused(Exception):  # noqa: N818
    """An image that is not taken; one of a batch, so it is an answer more often than an error.

    Args:
        status: a value of `ImageCreateStatus`.
        message: expected, received, what to do.
    """

    def __init__(self, status: RefusedStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def receive(data: bytes, limits: Limits) -> Received:
    """Take an image.

    What its header promises is checked before a pixel is decoded; then it is decoded to its end. Large images
    wait for each other (see `dahlia.dataset.decoding_memory`).

    Raises:
        Refused: it is too large in bytes or edges, no image, of another format, damaged, or a file of another
            kind as well.
        DecodingBusy: images under way take all the memory that decoding may have.
    """
    check_size(data, limits)
    try:
        header = read_header(data)
        check_header(header, limits)
        refuse_polyglot(data)
        small = shrink(data, header, THUMBNAIL_EDGE)
    except ImageError as error:
        too_large = error.code == "decompression-bomb"
        raise Refused("ErrorImageDimensions" if too_large else "ErrorImageFormat", str(error)) from error
    return Received(
        sha256=hashlib.sha256(data).hexdigest(),
        width=header.width,
        height=header.height,
        suffix=SUFFIXES[header.format][0],
        size=len(data),
        thumbnail=small,
        data=data,
    )


def receive_many(images: Sequence[bytes], limits: Limits, pool: Executor) -> list[Received | Refused]:
    """Take a batch, as many at a time as the pool has threads; the answers are in the images' order."""
    return list(pool.map(partial(_answer, limits=limits), images))


def resized(data: bytes, edge: int = RESIZED_EDGE) -> bytes:
    """A JPEG of an image that was taken, as displayed, its longer edge at most `edge` pixels.

    Raises:
        ImageError: the bytes are not those that were taken.
    """
    return shrink(data, read_header(data), edge)


def check_size(data: bytes, limits: Limits) -> None:
    """Let files pass that are not too large.

    Raises:
        Refused: `ErrorImageSize`.
    """
    if len(data) > limits.max_bytes:
        raise Refused(
            "ErrorImageSize",
            f"Expected an image of at most {limits.max_bytes:,} bytes, received {len(data):,}. Scale it "
            "down, or save it with a lower quality.",
        )


def check_header(header: ImageHeader, limits: Limits) -> None:
    """Let images pass that have an accepted format and fitting edges.

    Raises:
        Refused: `ErrorImageFormat` or `ErrorImageDimensions`.
    """
    if header.format not in limits.formats:
        raise Refused(
            "ErrorImageFormat",
            f"Expected one of {', '.join(sorted(limits.formats))}, received {header.format}. "
            "Convert it to JPEG.",
        )
    longer, shorter = max(header.width, header.height), min(header.width, header.height)
    size = f"{header.width}x{header.height} pixels"
    if longer > limits.max_edge:
        raise _dimensions(f"edges of at most {limits.max_edge:,} pixels, received {size}. Scale it down")
    if longer > limits.max_aspect * shorter:
        raise _dimensions(
            f"one edge at most {limits.max_aspect:g} times the other, received {size}. Cut it in pieces"
        )
    costly = _COSTLY.get(header.format)
    if costly and header.decoded > limits.max_costly_pixels:
        raise _dimensions(
            f"at most {limits.max_costly_pixels:,} pixels in a {costly} image, received {size}. "
            "Convert it to JPEG"
        )


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


def _answer(data: bytes, limits: Limits) -> Received | Refused:
    try:
        return receive(data, limits)
    except Refused as refused:
        return refused


def _dimensions(text: str) -> Refused:
    return Refused("ErrorImageDimensions", f"Expected {text}.")


def _shrink(data: bytes, header: ImageHeader, edge: int) -> bytes:
    check_cmyk(data, header)
    try:
        with opened(data, header, draft=2 * edge) as canvas:  # of a JPEG in CMYK
            small = _reduced(canvas, _factor(*canvas.image.size, edge))
    except DAMAGE as error:
        raise damaged(header, error) from error
    if header.orientation in _TURNS:
        small = small.transpose(_TURNS[header.orientation])
    small.thumbnail((edge, edge), Image.Resampling.BOX)
    written = io.BytesIO()
    small.save(written, "JPEG", quality=QUALITY)
    return written.getvalue()


def _factor(width: int, height: int, edge: int) -> int:
    return max(1, max(width, height) // (2 * edge))


def _reduced(canvas: Canvas, factor: int) -> Image.Image:
    width, height = canvas.image.size
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, STRIP // (width * factor))
    for top, strip in canvas.strips(rows):
        small.paste(strip.reduce(factor) if factor > 1 else strip, (0, top // factor))
    return small
