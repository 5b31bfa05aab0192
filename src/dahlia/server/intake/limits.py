"""What an uploaded image may be, and how it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from dahlia.dataset.formats import ImageFormat
from dahlia.dataset.headers import ImageHeader
from dahlia.dataset.imaging import SERVED_PIXELS

RefusedStatus: TypeAlias = Literal["ErrorImageFormat", "ErrorImageSize", "ErrorImageDimensions"]
"""The values of `ImageCreateStatus` that an image itself can cause."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken; the defaults are the original's.

    Attributes:
        max_bytes: of a file.
        max_edge: pixels of the longer edge, as displayed.
        max_aspect: the longer edge over the shorter.
        formats: by content.
        max_webp_pixels: WebP files, which the original does not take, need four times the memory of others.
    """

    max_bytes: int = 6 * 1024 * 1024
    max_edge: int = 10240
    max_aspect: float = 25
    formats: frozenset[ImageFormat] = frozenset({"JPEG", "PNG", "BMP", "GIF", "WEBP"})
    max_webp_pixels: int = SERVED_PIXELS


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
    if header.format == "WEBP" and header.width * header.height > limits.max_webp_pixels:
        raise _dimensions(
            f"at most {limits.max_webp_pixels:,} pixels in a WebP image, received {size}. Convert it to JPEG"
        )


def _dimensions(text: str) -> Refused:
    return Refused("ErrorImageDimensions", f"Expected {text}.")
