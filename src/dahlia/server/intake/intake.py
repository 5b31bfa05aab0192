"""Uploaded images: refused, or known to decode to their end, with a thumbnail."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from dahlia.dataset.headers import read_header
from dahlia.errors import ImageError
from dahlia.server.intake.limits import Limits, Refused, check_header, check_size
from dahlia.server.intake.shrinking import shrink
from dahlia.serving.http.polyglots import refuse_polyglot

THUMBNAIL_EDGE = 256  # pixels
RESIZED_EDGE = 1600  # pixels; the original's

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "BMP": ".bmp", "GIF": ".gif", "WEBP": ".webp"}


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
        suffix=_SUFFIXES[header.format],
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


def _answer(data: bytes, limits: Limits) -> Received | Refused:
    try:
        return receive(data, limits)
    except Refused as refused:
        return refused
