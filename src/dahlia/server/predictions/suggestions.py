"""What iterations suggest for untagged images: asked, stored, found page by page, counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVarTuple

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from dahlia.errors import ImageError, ServiceError
from dahlia.http.replies import refused_image
from dahlia.processes import usable_cores
from dahlia.server.contract.bodies import SuggestionQuery
from dahlia.server.contract.enums import SortBy, not_found
from dahlia.server.database.changes import among_named
from dahlia.server.database.tables import ImageRow
from dahlia.server.database.work_tables import IterationRow, PredictionRow, ScoreRow
from dahlia.server.predictions.paging import SUREST, UNSUREST, open_window
from dahlia.server.predictions.queries import Found
from dahlia.server.predictions.rows import Suggestion
from dahlia.server.predictions.scores import any_tag_reaches, check_threshold, says_nothing
from dahlia.server.predictions.uncertainty import uncertainty_of
from dahlia.server.storage.backend import NotThere
from dahlia.server.storage.names import image_key

if TYPE_CHECKING:
    from dahlia.server.context import Server
    from dahlia.server.predictions.service import PredictionService
    from dahlia.settings.sections import LimitsSection


_FEW_TAGS = 16
_Columns = TypeVarTuple("_Columns")


def untagged_images(
    session: Session, iteration: IterationRow, identities: Sequence[str], limits: LimitsSection
) -> list[ImageRow]:
    """Images of an iteration's project that may get suggestions, in the order of their ids.

    Raises:
        ServiceError: there are none or too many, one is not there, or one has a tag.
    """
    if not 0 < len(identities) <= limits.suggestions:
        raise ServiceError(
            "BadRequestExceededBatchSize" if identities else "BadRequestInvalidIds",
            f"Expected 1 to {limits.suggestions} image ids, received {len(identities)}. "
            + ("Send them in several calls." if identities else "Name some."),
        )
    live = among_named(iteration.project_key), ImageRow.removed.is_(None)
    rows = session.scalars(select(ImageRow).where(*live, ImageRow.id.in_(identities)))
    found = {row.id: row for row in rows}
    for identity in identities:
        if identity not in found:
            raise not_found("Image", identity)
        if found[identity].tagged:
            raise ServiceError(
                "BadRequestInvalidIds",
                f"Expected images without tags, received {identity}, which has one. Omit it.",
            )
    return [found[identity] for identity in identities]


async def suggest(
    server: Server, service: PredictionService, iteration: IterationRow, images: Sequence[ImageRow]
) -> list[Suggestion]:
    """What a trained iteration says of images, in their order.

    As many at a time as there are cores, one call after the other: predictions of applications find threads.

    Raises:
        DahliaError: the model cannot be loaded, or an image cannot be read or decoded.
    """

    def look_at(image: ImageRow) -> Suggestion:
        try:
            data = server.storage.get(image_key(image.sha256, image.suffix))
            predictions = service.classify(iteration.id, iteration.number, data)
        except NotThere as error:
            raise ServiceError("NotFoundImage", f"Image {image.id}: {error}") from error
        except ImageError as error:
            raise ServiceError(refused_image(error).code, f"Image {image.id}: {error}") from error
        return Suggestion(image, predictions, uncertainty_of(iteration, predictions))

    suggestions: list[Suggestion] = []
    async with service.suggesting:
        for start in range(0, len(images), usable_cores()):
            some = images[start : start + usable_cores()]
            suggestions += await asyncio.gather(*(service.predictor.run(look_at, image) for image in some))
    return suggestions


def find_suggestions(
    session: Session, iteration: IterationRow, query: SuggestionQuery, limits: LimitsSection
) -> Found:
    """A page of what an iteration suggests for images that are still untagged.

    Raises:
        ServiceError: the query cannot be answered.
    """
    _check_tags(query.tag_ids, limits)
    order = UNSUREST if query.sort_by is SortBy.DESCENDING else SUREST
    asked = (query.session, query.continuation, query.max_count)
    window = open_window(session, iteration.project_key, order, asked, limits.page)
    chosen = _of_untagged(select(PredictionRow), iteration)
    reaches = any_tag_reaches(iteration.kind, query.tag_ids, query.threshold)
    if reaches is not None:
        chosen = chosen.where(reaches)
    rows = list(session.scalars(window.of(chosen)))
    found = [(row, iteration.id) for row in rows[: window.count]]
    return Found(found, window, window.continuation(rows))


def count_suggestions(
    session: Session,
    iteration: IterationRow,
    tag_ids: Sequence[str],
    threshold: float | None,
    limits: LimitsSection,
) -> dict[str, int]:
    """For each tag the number of untagged images for which it, or its best box, reaches a probability.

    Raises:
        ServiceError: there are too many tags, or the threshold is none.
    """
    _check_tags(tag_ids, limits)
    least = check_threshold(threshold)
    if says_nothing(iteration.kind, least):
        everything = session.scalar(_of_untagged(select(func.count(PredictionRow.key)), iteration)) or 0
        return dict.fromkeys(tag_ids, everything)
    counted = (
        _of_untagged(select(ScoreRow.tag_id, func.count()), iteration)
        .join(ScoreRow, ScoreRow.prediction_key == PredictionRow.key)
        .where(ScoreRow.probability >= least)
        .group_by(ScoreRow.tag_id)
    )
    if len(tag_ids) <= _FEW_TAGS:  # of more, databases would look for each tag in each prediction
        counted = counted.where(ScoreRow.tag_id.in_(tag_ids))
    counts = {tag: count for tag, count in session.execute(counted)}  # noqa: C416 (rows are no pairs to mypy)
    return {tag: counts.get(tag, 0) for tag in tag_ids}


def _of_untagged(statement: Select[*_Columns], iteration: IterationRow) -> Select[*_Columns]:
    untagged = ImageRow.removed.is_(None), ImageRow.tagged.is_(False)
    joined = statement.select_from(PredictionRow).join(ImageRow, ImageRow.key == PredictionRow.image_key)
    return joined.where(PredictionRow.iteration_key == iteration.key, *untagged)


def _check_tags(tag_ids: Sequence[str], limits: LimitsSection) -> None:
    if len(tag_ids) > limits.tags_per_project:
        raise ServiceError(
            "BadRequestExceededBatchSize",
            f"Expected at most {limits.tags_per_project} tags, received {len(tag_ids)}. Name fewer.",
        )
