"""How good an iteration is, and what it predicted of each image, as it goes over the wire.

The predictions of iterations that were asked for lately stay in memory.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import DatasetError, EvaluationError, ServiceError
from dahlia.modeling.predictions import ClassPredictions, load_predictions
from dahlia.server.contract.enums import TaggingStatus, TagType
from dahlia.server.contract.iterations import (
    ImagePerformance,
    IterationPerformance,
    Prediction,
    TagPerformance,
)
from dahlia.server.contract.models import ImageRegion, ImageTag
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
from dahlia.server.iterations.figures import FixedFigures, Score, TagScore, fixed_figures_of, score
from dahlia.server.jobs.training_data import PREDICTIONS, artifact_key
from dahlia.server.storage.storage import NotThere, Storage

MOST_BYTES = 256 << 20
_BYTES_OF_AN_INDEX_ENTRY = 110


def stored_predictions(storage: Storage, iteration_id: str) -> ClassPredictions:
    """The held-out predictions that an iteration's training left.

    Raises:
        ServiceError: there are none.
    """
    with tempfile.TemporaryDirectory(prefix="dahlia-") as folder:
        path = Path(folder) / PREDICTIONS
        try:
            storage.fetch(artifact_key(iteration_id, PREDICTIONS), path)
            return load_predictions(path, new_scenes=False)
        except (NotThere, DatasetError) as error:
            raise _no_performance(iteration_id) from error


def performance_answer(
    row: IterationRow, performances: PerformanceCache, threshold: float
) -> IterationPerformance:
    """The figures of an iteration at a threshold.

    Raises:
        ServiceError: it has no held-out predictions.
    """
    try:
        found = performances.score(row.id, threshold)
    except EvaluationError as error:
        raise _no_performance(row.id) from error
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


@dataclass(frozen=True)
class _Kept:
    predictions: ClassPredictions
    fixed: FixedFigures
    images: ImageScores
    size: int


class PerformanceCache:
    """PerformanceCache of iterations; safe to use from several threads.

    Loading takes turns, so that no more than one set of predictions is in the making; who asks for what is
    kept never waits for it.

    Args:
        loader: the predictions of an iteration by its id; what it raises, the caller gets.
        most_bytes: that may be kept. The one that was asked for last stays even when it is larger: a moving
            threshold asks for it again and again.
    """

    def __init__(self, loader: Callable[[str], ClassPredictions], most_bytes: int = MOST_BYTES) -> None:
        self._loader = loader
        self._most = most_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._forgotten = 0
        self._lock = threading.Lock()
        self._loading = threading.Lock()

    def score(self, iteration: str, threshold: float) -> Score:
        """The figures of an iteration at a threshold; see `figures.score`."""
        kept = self._get(iteration)
        return score(kept.predictions, threshold, kept.fixed)

    def images(self, iteration: str) -> ImageScores:
        """What an iteration's held-out predictions say of each image."""
        return self._get(iteration).images

    def forget(self, iteration: str) -> None:
        """Drop an iteration that was deleted."""
        with self._lock:
            self._forgotten += 1
            self._kept.pop(iteration, None)

    @property
    def size(self) -> int:
        """Bytes that are kept, about."""
        with self._lock:
            return sum(kept.size for kept in self._kept.values())

    def _get(self, iteration: str) -> _Kept:
        if kept := self._find(iteration):
            return kept
        with self._loading:
            if kept := self._find(iteration):
                return kept
            before = self._forgotten
            kept = _prepared(self._loader(iteration))
            self._keep(iteration, kept, before)
            return kept

    def _find(self, iteration: str) -> _Kept | None:
        with self._lock:
            if iteration in self._kept:
                self._kept.move_to_end(iteration)
            return self._kept.get(iteration)

    def _keep(self, iteration: str, kept: _Kept, before: int) -> None:
        with self._lock:
            if self._forgotten != before:
                return  # perhaps this one was deleted meanwhile
            self._kept[iteration] = kept
            while len(self._kept) > 1 and sum(one.size for one in self._kept.values()) > self._most:
                self._kept.popitem(last=False)


@dataclass(frozen=True)
class ImageScore:
    """An image's tags and predictions.

    Attributes:
        image: its id (see `ImageRecord.id`).
        tags: that it has, in the order of the predictions' columns.
        probabilities: tag and probability, the most probable first; equal ones in the columns' order.
    """

    image: str
    tags: tuple[str, ...]
    probabilities: tuple[tuple[str, float], ...]


class ImageScores(Mapping[str, ImageScore]):
    """By image id, made when asked for: a page needs 256 of 100,000.

    An image of the user's own test set is there too: the final model, which predicted it, never saw it.
    """

    def __init__(self, predictions: ClassPredictions) -> None:
        self._predictions = predictions
        self._rows = {image: row for row, image in enumerate(predictions.ids)}

    def __getitem__(self, image: str) -> ImageScore:
        row = self._rows[image]
        found = self._predictions
        values = found.probabilities[row]
        return ImageScore(
            image,
            tuple(found.tags[column] for column in np.flatnonzero(found.truth[row])),
            tuple(
                (found.tags[column], float(values[column])) for column in np.argsort(-values, kind="stable")
            ),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


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
    row: IterationRow, score: ImageScore | None, types: dict[str, TagType]
) -> tuple[Prediction, ...]:
    return tuple(
        Prediction(
            probability=probability,
            tag_id=(identity := row.tag_ids[name]),
            tag_name=name,
            tag_type=types.get(identity, TagType.REGULAR),
        )
        for name, probability in (score.probabilities if score else ())
    )


def _types(session: Session, row: IterationRow) -> dict[str, TagType]:
    found = session.execute(select(TagRow.id, TagRow.type).where(TagRow.project_key == row.project_key))
    return {identity: TagType(kind) for identity, kind in found}


def _no_performance(iteration_id: str) -> ServiceError:
    return ServiceError(
        "NotFoundIterationPerformance",
        f"Expected held-out predictions of iteration {iteration_id}, found none. Train the project again.",
    )


def _prepared(predictions: ClassPredictions) -> _Kept:
    # Nothing here reads the uncalibrated ones, and they would be half of the memory.
    predictions = replace(predictions, uncalibrated=predictions.probabilities)
    arrays = (predictions.fold, predictions.truth, predictions.probabilities)
    index = sum(sys.getsizeof(image) + _BYTES_OF_AN_INDEX_ENTRY for image in predictions.ids)
    return _Kept(
        predictions,
        fixed_figures_of(predictions),
        ImageScores(predictions),
        sum(array.nbytes for array in arrays) + index,
    )
