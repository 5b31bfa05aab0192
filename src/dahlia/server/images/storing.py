"""Images into the storage: fetched or decoded, validated, on disk before any row names them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

import anyio

from dahlia.errors import DahliaError, ServiceError
from dahlia.processes import usable_cores
from dahlia.server.contract.enums import ImageCreateStatus
from dahlia.server.images.adding import Rejected, StoredImage
from dahlia.server.images.validation import Limits, Received, Refused, receive_many
from dahlia.server.storage.backend import StorageError
from dahlia.server.storage.names import image_key, thumbnail_key

if TYPE_CHECKING:
    from dahlia.http.fetch import Bring
    from dahlia.server.context import Server
    from dahlia.settings.sections import LimitsSection

Incoming: TypeAlias = bytes | Rejected
"""The bytes of an image, or why there are none."""

_DATA_URL = re.compile(r"\A\s{0,8}data:[^,]{0,100};base64,", re.IGNORECASE)
_USUAL = str.maketrans("-_", "+/")  # of the alphabet that is safe in addresses
_POOL = ThreadPoolExecutor(usable_cores(), "intake")  # of all requests together

AT_ONCE = 16
"""How many images of a batch are fetched, and are in memory, at once."""


def store_images(server: Server, images: Sequence[Incoming]) -> list[StoredImage | Rejected]:
    """Take a batch of images, and store those that can be taken.

    Returns:
        For each, what a row needs to know of it; or why it was refused. They are on disk.

    Raises:
        ServiceError: the storage cannot be used.
    """
    given = [image for image in images if isinstance(image, bytes)]
    taken = receive_many(given, intake_limits(server.settings.limits), _POOL)
    files: dict[str, bytes] = {}
    for one in taken:
        if isinstance(one, Received):
            files[image_key(one.sha256, one.suffix)] = one.data
            files[thumbnail_key(one.sha256)] = one.thumbnail
    try:
        server.storage.put_many(files)
    except StorageError as error:
        raise ServiceError("ErrorUnknown", str(error), status=503, retry_after=2) from error
    answers = iter([_stored(one) for one in taken])
    return [next(answers) if isinstance(image, bytes) else image for image in images]


def intake_limits(limits: LimitsSection) -> Limits:
    """What an image to train on, or to test with, may be."""
    return Limits(most_bytes(limits), limits.max_edge, limits.max_aspect)


def most_bytes(limits: LimitsSection) -> int:
    """What an image to train on, or to test with, may have."""
    return int(limits.max_image_mb * 1024 * 1024)


def decoded(contents: str) -> Incoming:
    """An image in base64: of either alphabet, with or without line breaks, padding and `data:` before it."""
    try:
        return base64.b64decode(contents, validate=True)
    except (binascii.Error, ValueError):  # the latter for letters beyond ASCII
        pass
    text = "".join(_DATA_URL.sub("", contents, count=1).split()).translate(_USUAL).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return Rejected(
            ImageCreateStatus.ERROR_FORMAT,
            "Expected the bytes of an image in base64, received other text. Encode them again.",
        )


def too_large(most: int) -> Rejected:
    """The refusal of a text in base64 that no image of at most `most` bytes has."""
    return Rejected(
        ImageCreateStatus.ERROR_SIZE,
        f"Expected an image of at most {most:,} bytes, received a larger one. Scale it down, or save it with "
        "a lower quality.",
    )


async def fetch_images(urls: Sequence[str], bring: Bring, most: int) -> list[Incoming]:
    """The images at addresses, at once; in the addresses' order.

    Args:
        urls: the addresses.
        bring: gives the image at one.
        most: bytes that an image may have.
    """
    fetched: dict[int, Incoming] = {}

    async def one(place: int) -> None:
        fetched[place] = await _fetched(urls[place], bring, most)

    async with anyio.create_task_group() as tasks:
        for place in range(len(urls)):
            tasks.start_soon(one, place)
    return [fetched[place] for place in range(len(urls))]


def _stored(one: Received | Refused) -> StoredImage | Rejected:
    if isinstance(one, Refused):
        return Rejected(ImageCreateStatus(one.status), one.message)
    return StoredImage(one.sha256, one.suffix, one.width, one.height, one.size)


async def _fetched(url: str, bring: Bring, most: int) -> Incoming:
    try:
        return await bring(url, most=most)
    except DahliaError as error:
        too_large = isinstance(error, ServiceError) and error.code == "BadRequestImageSizeBytes"
        status = ImageCreateStatus.ERROR_SIZE if too_large else ImageCreateStatus.ERROR_SOURCE
        return Rejected(status, str(error))
