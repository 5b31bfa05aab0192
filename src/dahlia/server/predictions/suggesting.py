"""Asking an iteration about untagged images."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dahlia.errors import ImageError
from dahlia.server.contract.errors import ServiceError
from dahlia.server.database.tables import ImageRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.predictions.rows import Suggestion, uncertainty_of
from dahlia.server.storage.errors import NotThere
from dahlia.server.storage.names import image_key
from dahlia.serving.cores import usable_cores
from dahlia.serving.http.replies import refused_image

if TYPE_CHECKING:
    from dahlia.server.context import Server
    from dahlia.server.predictions.desk import PredictionDesk


async def suggest(
    server: Server, desk: PredictionDesk, iteration: IterationRow, images: Sequence[ImageRow]
) -> list[Suggestion]:
    """What a trained iteration says of images, in their order.

    As many at a time as there are cores, one call after the other: predictions of applications find threads.

    Raises:
        DahliaError: the model cannot be loaded, or an image cannot be read or decoded.
    """

    def look_at(image: ImageRow) -> Suggestion:
        try:
            data = server.storage.get(image_key(image.sha256, image.suffix))
            predictions = desk.classify(iteration.id, iteration.number, data)
        except NotThere as error:
            raise ServiceError("NotFoundImage", f"Image {image.id}: {error}") from error
        except ImageError as error:
            raise ServiceError(refused_image(error).code, f"Image {image.id}: {error}") from error
        return Suggestion(image, predictions, uncertainty_of(iteration, predictions))

    suggestions: list[Suggestion] = []
    async with desk.suggesting:
        for start in range(0, len(images), usable_cores()):
            some = images[start : start + usable_cores()]
            suggestions += await asyncio.gather(*(desk.predictor.run(look_at, image) for image in some))
    return suggestions
