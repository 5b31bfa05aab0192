"""How good an iteration is, and what it predicted of each image, as it goes over the wire."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import DatasetError, EvaluationError, ServiceError
from dahlia.kinds import Kind
from dahlia.server.contract.enums import TaggingStatus, TagType
from dahlia.server.contract.iterations import (
    ImagePerformance,
    IterationPerformance,
    Prediction,
    TagPerformance,
)
from dahlia.server.contract.models import BoundingBox, ImageRegion, ImageTag
from dahlia.server.database.tables import ImageRow, ProjectRow, TagRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.http.addresses import Addresses
from dahlia.server.images.queries import (
    Page,
    View,
    Wanted,
    count_images,
    find_images,
    region_answers,
    tag_answers,
)
from dahlia.server.iterations.figures import TagScore
from dahlia.server.iterations.held_out import HELD_OUT, FoundTag, HeldOut, ImageScores
from dahlia.server.iterations.performance_cache import PerformanceCache
from dahlia.server.jobs.training_data import PREDICTIONS, artifact_key
from dahlia.server.storage.storage import NotThere, Storage

_Loaded = TypeVar("_Loaded")


def stored_predictions(storage: Storage, iteration_id: str, kind: Kind) -> HeldOut:
    """The held-out predictions that an iteration's training left.

    Raises:
        ServiceError: there are none.
    """
    return fetched_predictions(storage, iteration_id, HELD_OUT[kind])


def fetched_predictions(storage: Storage, iteration_id: str, load: Callable[[Path], _Loaded]) -> _Loaded:
    """What `load` reads from the file with an iteration's held-out predictions.

    Raises:
        ServiceError: there is none, or it is damaged.
    """
    with tempfile.TemporaryDirectory(prefix="dahlia-") as folder:
        path = Path(folder) / PREDICTIONS
        try:
            storage.fetch(artifact_key(iteration_id, PREDICTIONS), path)
            return load(path)
        except (NotThere, DatasetError, EvaluationError) as error:
            raise _no_performance(iteration_id) from error


def performance_answer(
    row: IterationRow, performances: PerformanceCache, threshold: float, overlap: float
) -> IterationPerformance:
    """The figures of an iteration at a threshold and, if it is a detector, at an overlap; both 0 to 1.

    Raises:
        ServiceError: it has no held-out predictions.
    """
    found = performances.of(row.id, row.kind).score(threshold, overlap)
    return IterationPerformance(
        per_tag_performance=tuple(_tag(one, row.tag_ids[one.tag]) for one in found.per_tag),
        precision=found.precision,
        precision_std_deviation=found.precision_std,
        recall=found.recall,
        recall_std_deviation=found.recall_std,
        average_precision=found.average_precision,
    )


def judged_images(session: Session, row: IterationRow, tags: Sequence[str], page: Page) -> list[ImageRow]:
    """A page of the images that an iteration was trained on.

    Args:
        session: to read with.
        row: of the iteration.
        tags: ids of tags of which an image had at least one; of all that were trained where there are none.
        page: which of them.
    """
    wanted = _wanted(row, tags)
    return find_images(session, _view(session, row), wanted, page) if wanted else []


def judged_count(session: Session, row: IterationRow, tags: Sequence[str]) -> int:
    """How many of them there are; see `judged_images`."""
    wanted = _wanted(row, tags)
    return count_images(session, _view(session, row), wanted) if wanted else 0


def image_answers(
    session: Session,
    row: IterationRow,
    images: Sequence[ImageRow],
    scores: ImageScores,
    addresses: Addresses,
) -> list[ImagePerformance]:
    """Images with what was true of them and what was predicted while they were held out.

    An image that training set aside has no predictions.
    """
    types = _types(session, row)
    keys = [image.key for image in images]
    tags, regions = tag_answers(session, keys, row.epoch), region_answers(session, keys, row.epoch)
    return [
        ImagePerformance(
            predictions=_predictions(row, scores.get(image.sha256), types),
            id=image.id,
            created=image.created,
            width=image.width,
            height=image.height,
            image_uri=addresses.resized(image.sha256, image.suffix, image.width, image.height),
            thumbnail_uri=addresses.thumbnail(image.sha256),
            **_labels(tags.get(image.key), regions.get(image.key)),
        )
        for image in images
    ]


def _labels(tags: tuple[ImageTag, ...] | None, regions: tuple[ImageRegion, ...] | None) -> dict[str, Any]:
    found = {"tags": tags, "regions": regions}
    return {name: labels for name, labels in found.items() if labels}


def _view(session: Session, row: IterationRow) -> View:
    return View(session.get_one(ProjectRow, row.project_key), row.epoch)


def _wanted(row: IterationRow, tags: Sequence[str]) -> Wanted | None:
    learned = set(row.chosen_tags)
    found = [tag for tag in tags or row.chosen_tags if not learned or tag in learned]
    if tags and not found:
        return None
    return Wanted(TaggingStatus.TAGGED, found)


def _tag(score: TagScore, identity: str) -> TagPerformance:
    return TagPerformance(
        id=identity,
        name=score.tag,
        precision=score.precision,
        precision_std_deviation=score.precision_std,
        recall=score.recall,
        recall_std_deviation=score.recall_std,
        average_precision=score.average_precision,
    )


def _predictions(
    row: IterationRow, found: Sequence[FoundTag] | None, types: dict[str, TagType]
) -> tuple[Prediction, ...]:
    return tuple(_prediction(one, row.tag_ids[one.tag], types) for one in found or ())


def _prediction(found: FoundTag, identity: str, types: dict[str, TagType]) -> Prediction:
    box = {"bounding_box": BoundingBox(**found.place._asdict())} if found.place else {}
    return Prediction(
        probability=found.probability,
        tag_id=identity,
        tag_name=found.tag,
        tag_type=types.get(identity, TagType.REGULAR),
        **box,
    )


def _types(session: Session, row: IterationRow) -> dict[str, TagType]:
    found = session.execute(select(TagRow.id, TagRow.type).where(TagRow.project_key == row.project_key))
    return {identity: TagType(kind) for identity, kind in found}


def _no_performance(iteration_id: str) -> ServiceError:
    return ServiceError(
        "NotFoundIterationPerformance",
        f"Expected held-out predictions of iteration {iteration_id}, found none. Train the project again.",
    )
