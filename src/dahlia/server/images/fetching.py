"""Images from addresses, several at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio

from dahlia.errors import DahliaError, ServingError
from dahlia.server.contract.enums import ImageCreateStatus
from dahlia.server.images.adding import Rejected
from dahlia.server.images.storing import Incoming

if TYPE_CHECKING:
    from dahlia.serving.http.fetch import Bring

AT_ONCE = 16
"""How many images of a batch are fetched, and are in memory, at once."""


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


async def _fetched(url: str, bring: Bring, most: int) -> Incoming:
    try:
        return await bring(url, most=most)
    except DahliaError as error:
        too_large = isinstance(error, ServingError) and error.code == "BadRequestImageSizeBytes"
        status = ImageCreateStatus.ERROR_SIZE if too_large else ImageCreateStatus.ERROR_SOURCE
        return Rejected(status, str(error))
