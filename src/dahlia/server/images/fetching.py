"""Images from addresses, several at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio

from dahlia.errors import ServingError
from dahlia.server.contract.enums import ImageCreateStatus
from dahlia.server.images.storing import Incoming
from dahlia.serving.http.fetch import Reach, fetch

if TYPE_CHECKING:
    from dahlia.server.settings import Settings

AT_ONCE = 16
"""How many images of a batch are fetched, and are in memory, at once."""


async def fetch_images(urls: Sequence[str], settings: Settings) -> list[Incoming]:
    """The images at addresses, at once; in the addresses' order."""
    reach = settings.security.url_fetch
    most = int(settings.limits.max_image_mb * 1024 * 1024)
    fetched: list[Incoming] = [ImageCreateStatus.ERROR_SOURCE] * len(urls)

    async def one(place: int) -> None:
        fetched[place] = await _fetched(urls[place], reach, most)

    async with anyio.create_task_group() as tasks:
        for place in range(len(urls)):
            tasks.start_soon(one, place)
    return fetched


async def _fetched(url: str, reach: Reach, most: int) -> Incoming:
    try:
        return await fetch(url, reach, most)
    except ServingError as error:
        too_large = error.code == "BadRequestImageSizeBytes"
        return ImageCreateStatus.ERROR_SIZE if too_large else ImageCreateStatus.ERROR_SOURCE
