"""Bytes in, pixels out: the one decoder of training, evaluation and serving.

Every accepted file becomes 8-bit RGB as displayed, by these rules: orientation is applied; grey is
replicated; palettes are expanded; of more than 8 bits those count that the file uses (see
`dahlia.dataset.deep_samples`); CMYK is converted; alpha is composited on white; of an animation the
first frame counts, of several pages the first. Colour profiles are not applied. `docs/decoding.md` has all
rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from dahlia.dataset.decoding_memory import MEMORY
from dahlia.dataset.headers import ImageHeader, read_header, tidy
from dahlia.dataset.image_files.jpeg_file import tidy_jpeg
from dahlia.dataset.pillow_formats import DAMAGE, OPENERS, Pixels, need_to_open, opened, to_rgb
from dahlia.errors import ImageError

__all__ = [
    "DAMAGE",
    "MAX_EDGE",
    "MAX_PIXELS",
    "OPENERS",
    "RULES",
    "SERVED_PIXELS",
    "ImageHeader",
    "Pixels",
    "decode",
    "decode_then",
    "load",
    "read_header",
    "squash",
    "thumbnail",
    "to_tensor_layout",
]

_Made = TypeVar("_Made")

RULES = 2  # raised when files get other pixels than before; what is kept of pixels carries it
MAX_PIXELS = 10240 * 10240
MAX_EDGE = 65535  # what a JPEG can hold
SERVED_PIXELS = (
    32 * 1024 * 1024
)  # `max_decoded` of servers: a PNG of 0.3 MB may hold 100 million, 1.4 GB at work
OVERSAMPLING = 2  # `load` decodes to at least this many times the size that it then averages to
_IN_FLOATS = 1_500_000  # pixels that are averaged as floats: most of those that `load` leaves of a JPEG

_HARMLESS = (
    "extraneous bytes",
    "Unknown Adobe color transform",
    "JFIF revision",
    "Invalid SOS parameters",
    "bad ICC marker",
)


def decode(
    data: bytes, *, at_least: int | None = None, max_pixels: int = MAX_PIXELS, max_decoded: int = MAX_PIXELS
) -> Pixels:
    """Decode an image file.

    Args:
        data: the whole file: of a format of `dahlia.dataset.formats`, whatever its name was.
        at_least: a JPEG may be decoded to fewer pixels, both edges not below this; None decodes all.
        max_pixels: a header that promises more is refused before anything is allocated.
        max_decoded: the same for what is left of them where a JPEG is decoded to fewer.

    Returns:
        (H, W, 3) RGB, as displayed.

    Raises:
        ImageError: with the code `zero-byte`, `not-an-image`, `unsupported-format`, `truncated`,
            `unreadable` or `decompression-bomb`.
    """
    return decode_then(data, lambda pixels: pixels, at_least, max_pixels=max_pixels, max_decoded=max_decoded)


def decode_then(
    data: bytes,
    make: Callable[[Pixels], _Made],
    at_least: int | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
    max_decoded: int = MAX_PIXELS,
) -> _Made:
    """Decode an image file, and make something smaller of it while its memory is still accounted for.

    Args:
        data: see `decode`.
        make: is given the pixels; decodes nothing itself.
        at_least: see `decode`.
        max_pixels: see `decode`.
        max_decoded: see `decode`.

    Raises:
        ImageError: see `decode`; or it would take more memory than a server allows.
        DecodingBusy: see `dahlia.dataset.decoding_memory`.
    """
    header = read_header(data)
    divisor = _divisor(min(header.width, header.height), at_least) if _is_scalable(header) else 1
    most = min(max_pixels, max_decoded * divisor**2)
    if header.decoded > most or max(header.width, header.height) > MAX_EDGE:
        raise ImageError(
            expected=f"at most {most:,} pixels and edges of {MAX_EDGE:,}",
            received=f"a header of {header.width}x{header.height}",
            next="Scale the image down.",
            code="decompression-bomb",
        )
    with MEMORY.hold(need_of(header, divisor)):
        pixels = _decode_jpeg(data, header, divisor) if _is_scalable(header) else _decode_other(data, header)
        return make(_turn(pixels, header.orientation))


def squash(image: Pixels, size: int) -> Pixels:
    """Resize to `size` x `size`, ignoring the aspect ratio.

    An axis that shrinks is area-averaged; an axis that grows is interpolated linearly, because area
    averaging would repeat pixels. Where one shrinks and the other grows, the shrinking goes first.

    Args:
        image: (H, W, 3).
        size: pixels.

    Returns:
        (size, size, 3).
    """
    height, width = image.shape[:2]
    if height > size or width > size:
        image = _averaged(image, min(width, size), min(height, size))
    if height < size or width < size:
        image = _resize(image, size, size, cv2.INTER_LINEAR)
    return image


def load(data: bytes, size: int, *, scaled: bool = True, max_decoded: int = MAX_PIXELS) -> Pixels:
    """Decode a file to the pixels that a model sees: (size, size, 3) RGB.

    Args:
        data: the whole file.
        size: pixels.
        scaled: let a large JPEG be decoded to fewer pixels first, which is faster. Without it the pixels are
            those of other programs that decode in full and average areas.
        max_decoded: see `decode`.

    Raises:
        ImageError: see `decode`.
    """
    at_least = OVERSAMPLING * size if scaled else None
    return decode_then(data, partial(squash, size=size), at_least, max_decoded=max_decoded)


def to_tensor_layout(images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
    """Stack N squashed images into a contiguous float32 (N, 3, size, size), 0 to 255."""
    if not images:
        return np.empty((0, 3, 0, 0), np.float32)
    height, width = images[0].shape[:2]
    batch = np.empty((len(images), 3, height, width), np.float32)
    for target, image in zip(batch, images, strict=True):
        target[...] = image.transpose(2, 0, 1)
    return batch


def thumbnail(data: bytes, edge: int) -> bytes:
    """A small JPEG of a file, aspect kept, its longer edge at most `edge` pixels.

    Raises:
        ImageError: see `decode`.
    """
    return decode_then(data, partial(_encoded, edge=edge), edge)


def _encoded(image: Pixels, edge: int) -> bytes:
    height, width = image.shape[:2]
    scale = min(1.0, edge / max(height, width))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    encoded: bytes = simplejpeg.encode_jpeg(_resize(image, *small, cv2.INTER_AREA), quality=85)
    return encoded


def _resize(image: Pixels, width: int, height: int, method: int) -> Pixels:
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def _averaged(image: Pixels, width: int, height: int) -> Pixels:
    rows, columns = image.shape[:2]
    is_whole = rows % height == 0 and columns % width == 0  # OpenCV has a quicker way, which rounds otherwise
    if is_whole or rows * columns > _IN_FLOATS:
        return _resize(image, width, height, cv2.INTER_AREA)
    # The same bits in two thirds of the time: OpenCV adds floats in both, of 8-bit numbers one by one.
    sums = cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.rint(sums, out=sums).astype(np.uint8)


def _is_scalable(header: ImageHeader) -> bool:
    return header.format == "JPEG" and header.components != 4


def need_of(header: ImageHeader, divisor: int = 1) -> int:
    """Bytes that decoding takes at most, the pixels included.

    Args:
        header: of the file.
        divisor: of both edges, to which a JPEG is decoded.
    """
    pixels = -(-header.width // divisor) * -(-header.height // divisor)
    result = 3 * pixels * (2 if header.orientation > 1 else 1)  # turned, it is a copy
    averaged = 15 * pixels if pixels <= _IN_FLOATS else 0  # with floats, once it is decoded; see `_averaged`
    decoded = header.coefficients + result if _is_scalable(header) else need_to_open(header, pixels, result)
    return max(decoded, averaged)


def _decode_jpeg(data: bytes, header: ImageHeader, divisor: int) -> Pixels:
    width, height = -(-header.width // divisor), -(-header.height // divisor)
    if header.orientation >= 5:
        width, height = height, width
    return _pixels_of(data, header, "RGB", width, height)


def _pixels_of(data: bytes, header: ImageHeader, colours: str, width: int, height: int) -> Pixels:
    # Warnings about a header hide those about pixels, so that the file is decoded strictly without them.
    whole = tidy(data, header)
    try:
        try:
            return _decoded(whole, colours, width, height)
        except ValueError as error:
            _refuse_harm(error)
            whole = tidy_jpeg(whole)
        try:
            return _decoded(whole, colours, width, height)
        except ValueError as error:
            _refuse_harm(error)
        return _decoded(whole, colours, width, height, strict=False)
    except ValueError as error:
        raise damaged(header, error) from error


def _decoded(data: bytes, colours: str, width: int, height: int, *, strict: bool = True) -> Pixels:
    pixels: Pixels = simplejpeg.decode_jpeg(data, colours, min_width=width, min_height=height, strict=strict)
    return pixels


def _refuse_harm(warning: ValueError) -> None:
    if not any(words in str(warning) for words in _HARMLESS):
        raise warning


def _divisor(edge: int, at_least: int | None) -> int:
    # Only powers of two: a half is both faster and closer to the averaged original than five eighths.
    if at_least is None:
        return 1
    return next((divisor for divisor in (8, 4, 2) if edge >= at_least * divisor), 1)


def _decode_other(data: bytes, header: ImageHeader) -> Pixels:
    check_cmyk(data, header)
    try:
        with opened(data, header) as canvas:
            return to_rgb(canvas)
    except DAMAGE as error:
        raise damaged(header, error) from error


def check_cmyk(data: bytes, header: ImageHeader) -> None:
    """Let images pass other than JPEGs in CMYK that lack pixels: Pillow would show them grey.

    Raises:
        ImageError: see `decode`.
    """
    if header.format == "JPEG":
        _pixels_of(data, header, "CMYK", 1, 1)


def _turn(pixels: Pixels, orientation: int) -> Pixels:
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    rows, columns = _FLIPS[orientation]
    return np.ascontiguousarray(pixels[::rows, ::columns])


def damaged(header: ImageHeader, error: Exception) -> ImageError:
    """The refusal of a file that a decoder cannot read."""
    reason = str(error).strip().rstrip(".")
    is_short = header.cut_off or "truncated" in reason.lower() or "premature end" in reason.lower()
    return ImageError(
        expected=f"a whole {header.format} image",
        received=f"one that {'lacks pixels' if header.cut_off else 'is damaged'} ({reason})",
        next="Copy the file again, or save it again with an image editor.",
        code="truncated" if is_short else "unreadable",
    )


# EXIF orientation -> steps along rows and columns, after the transposition of 5 to 8.
_FLIPS = {1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}
