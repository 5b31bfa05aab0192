"""Comparisons of two iterations as they go over the wire, from the predictions that their trainings left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from dahlia.errors import ServiceError
from dahlia.kinds import Kind
from dahlia.modeling.box_predictions import load_box_predictions
from dahlia.modeling.predictions import load_predictions
from dahlia.server.context import Server
from dahlia.server.contract.models import BoundingBox
from dahlia.server.contract.own_comparisons import (
    BothFigures,
    ComparedFigures,
    ComparedImage,
    DrawnRegion,
    IterationComparison,
    SaidTag,
)
from dahlia.server.database.tables import ImageRow, ProjectRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.http.addresses import Addresses
from dahlia.server.images.labels import takes_regions
from dahlia.server.images.queries import View, images_by_content
from dahlia.server.iterations.comparison import Comparison, Difference, compare_boxes, compare_tags
from dahlia.server.iterations.figures import Score
from dahlia.server.iterations.held_out import FoundTag
from dahlia.server.iterations.iterations import iteration_of, trained
from dahlia.server.iterations.performance import fetched_predictions
from dahlia.server.storage.storage import Storage

_loading = threading.Lock()  # two sets of predictions are in memory at once, and not more


def comparison_answer(
    server: Server,
    addresses: Addresses,
    project_id: str,
    iterations: tuple[str, str],
    threshold: float,
    overlap: float,
) -> IterationComparison:
    """Compare two iterations of a project.

    Args:
        server: has them.
        addresses: of images.
        project_id: of the project.
        iterations: ids of the one and of the other.
        threshold: 0 to 1.
        overlap: 0 to 1; of detectors alone.

    Raises:
        ServiceError: there is no such iteration, they are one, or one has no held-out predictions.
    """
    if iterations[0] == iterations[1]:
        raise ServiceError(
            "BadRequestInvalid",
            f"Expected two iterations, received {iterations[0]} twice. Name another one in `with`.",
        )
    with server.database.read() as session:
        first, other = (trained(iteration_of(session, project_id, one)) for one in iterations)
    found = _compared(server.storage, first, other, threshold, overlap)
    images = _images(server, first, (one.image for one in (*found.won, *found.lost)))

    def told(one: Difference) -> ComparedImage:
        return _image(one, images.get(one.image), addresses)

    return IterationComparison(
        iteration_id=first.id,
        other_iteration_id=other.id,
        threshold=threshold,
        overlap=overlap if takes_regions(first.kind) else None,
        images=found.images,
        won=tuple(map(told, found.won)),
        lost=tuple(map(told, found.lost)),
        won_count=found.won_count,
        lost_count=found.lost_count,
        both_right=found.both_right,
        both_wrong=found.both_wrong,
        figures=BothFigures(iteration=_figures(found.figures[0]), other=_figures(found.figures[1]))
        if found.figures
        else None,
    )


def known_names(first: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """The names of one iteration's tags, those by which another one knows them.

    A tag is the same by its id, whatever it was called; else by its name, as a tag that was deleted and made
    again is to people. One that is neither has a name that no tag of the first has.

    Args:
        first: of the iteration that knows them: ids of its tags by name.
        other: of the one whose tags they are.
    """
    by_id = {identity: name for name, identity in first.items()}
    names = {name: by_id[identity] for name, identity in other.items() if identity in by_id}
    taken = set(names.values())
    for name in other:
        if name not in names:
            free = name if name not in taken else _free(name, taken | set(first))
            names[name] = free
            taken.add(free)
    return names


def _free(name: str, taken: Iterable[str]) -> str:
    known = set(taken)
    return next(one for number in range(2, len(known) + 3) if (one := f"{name} ({number})") not in known)


def _compared(
    storage: Storage, first: IterationRow, other: IterationRow, threshold: float, overlap: float
) -> Comparison:
    names = known_names(first.tag_ids, other.tag_ids)
    with _loading:
        return _COMPARE[first.kind](storage, (first.id, other.id), names, threshold, overlap)


def _tags(
    storage: Storage, ids: tuple[str, str], names: Mapping[str, str], threshold: float, overlap: float
) -> Comparison:
    load = partial(load_predictions, uncalibrated=False, new_scenes=False)
    first, other = (fetched_predictions(storage, one, load) for one in ids)
    return compare_tags(first, other, names, threshold)


def _boxes(
    storage: Storage, ids: tuple[str, str], names: Mapping[str, str], threshold: float, overlap: float
) -> Comparison:
    first, other = (fetched_predictions(storage, one, load_box_predictions) for one in ids)
    return compare_boxes(first, other, names, threshold, overlap)


_COMPARE: dict[Kind, Callable[[Storage, tuple[str, str], Mapping[str, str], float, float], Comparison]] = {
    "multiclass": _tags,
    "multilabel": _tags,
    "detection": _boxes,
}


def _image(one: Difference, image: ImageRow | None, addresses: Addresses) -> ComparedImage:
    return ComparedImage(
        image_id=image.id if image else None,
        thumbnail_uri=addresses.thumbnail(image.sha256) if image else None,
        original_image_uri=addresses.original(image.sha256, image.suffix) if image else None,
        tags=one.tags,
        regions=tuple(
            DrawnRegion(tag_name=region.tag, bounding_box=BoundingBox(**region.place._asdict()))
            for region in one.regions
            if region.place
        ),
        said=_said(one.said),
        other_said=_said(one.other_said),
    )


def _said(found: Sequence[FoundTag]) -> tuple[SaidTag, ...]:
    return tuple(
        SaidTag(
            tag_name=one.tag,
            probability=one.probability,
            bounding_box=BoundingBox(**one.place._asdict()) if one.place else None,
        )
        for one in found
    )


def _figures(score: Score) -> ComparedFigures:
    return ComparedFigures(
        precision=score.precision, recall=score.recall, average_precision=score.average_precision
    )


def _images(server: Server, row: IterationRow, contents: Iterable[str]) -> dict[str, ImageRow]:
    with server.database.read() as session:
        view = View(session.get_one(ProjectRow, row.project_key), row.epoch)
        return images_by_content(session, view, contents)
