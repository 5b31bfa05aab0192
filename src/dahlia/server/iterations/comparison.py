"""Two iterations on the images that both judged while these were held out, or as the user's own test set.

Both are held against the tags and regions that the first was trained with: tags may have changed in between.
An image is right if its most probable tag is one of its own; in a project with several tags an image, if its
tags are those that reach the threshold; and in detection, if each region is found and nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dahlia.boxes import Boxes
from dahlia.evaluation.detection.matching import NONE, matched, tabulated
from dahlia.kinds import Kind
from dahlia.modeling.box_predictions import BoxPredictions
from dahlia.modeling.card import TagCard
from dahlia.modeling.predictions import ClassPredictions
from dahlia.server.iterations.box_figures import BoxFigures
from dahlia.server.iterations.figures import Score, score
from dahlia.server.iterations.held_out import FoundTag
from dahlia.serving.models.readers import by_tag

MOST_LISTED = 200
_TAGS_SAID = 5
# As `dahlia.evaluation.judges` has it, which this machine may lack packages for.
_BY_THRESHOLD: dict[Kind, bool] = {"multiclass": False, "multilabel": True}
_Numbers = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Difference:
    """An image that one iteration judged right, and the other wrong.

    Attributes:
        image: its id (see `ImageRecord.id`).
        tags: names of its tags.
        regions: what people drew, with the probability 1; none of a classifier.
        said: by the first iteration: the most probable tags, or the boxes that reach the threshold.
        other_said: by the other one.
    """

    image: str
    tags: tuple[str, ...]
    regions: tuple[FoundTag, ...]
    said: tuple[FoundTag, ...]
    other_said: tuple[FoundTag, ...]


@dataclass(frozen=True)
class Comparison:
    """What two iterations make of the same images.

    Attributes:
        images: how many.
        won: what the first has right and the other wrong, what differs most first; at most `MOST_LISTED`.
        lost: the other way round.
        won_count: how many images of the kind there are.
        lost_count: likewise.
        both_right: how many.
        both_wrong: how many.
        figures: of the first and of the other; None where no image was judged by both.
    """

    images: int
    won: tuple[Difference, ...]
    lost: tuple[Difference, ...]
    won_count: int
    lost_count: int
    both_right: int
    both_wrong: int
    figures: tuple[Score, Score] | None


def compare_tags(
    first: ClassPredictions, other: ClassPredictions, names: Mapping[str, str], threshold: float
) -> Comparison:
    """Compare two classifiers.

    Args:
        first: predictions of one.
        other: those of the other.
        names: of the other's tags, those by which the first knows them; what it does not know has another.
        threshold: 0 to 1.
    """
    rows, other_rows = _common(first.ids, other.ids)
    one, two = first.where(rows), other.where(other_rows)
    tags = _all_tags(first.tags, [names[tag] for tag in other.tags])
    truth = _placed(one.truth, first.tags, tags)
    one = _judged(one, tags, truth, _placed(one.probabilities, first.tags, tags))
    known = [names[tag] for tag in other.tags]
    two = replace(_judged(two, tags, truth, _placed(two.probabilities, known, tags)), kind=first.kind)
    right = _right(one, threshold), _right(two, threshold)
    distance = np.abs(one.probabilities - two.probabilities).max(axis=1, initial=0.0)

    def told(row: int) -> Difference:
        true = tuple(tags[column] for column in np.flatnonzero(truth[row]))
        return Difference(one.ids[row], true, (), _likeliest(one, row), _likeliest(two, row))

    figures = (score(one, threshold), score(two, threshold)) if one.ids else None
    return _compared(right, distance, told, figures)


def compare_boxes(
    first: BoxPredictions,
    other: BoxPredictions,
    names: Mapping[str, str],
    threshold: float,
    overlap: float,
) -> Comparison:
    """Compare two detectors; see `compare_tags`.

    Args:
        first: predictions of one.
        other: those of the other.
        names: of the other's tags.
        threshold: 0 to 1.
        overlap: 0 to 1: the least of a box that is right.
    """
    rows, other_rows = _common(first.ids, other.ids)
    one, two = first.where(rows), other.where(other_rows)
    known = [names[tag] for tag in other.tags]
    tags = _all_tags(first.tags, known)
    columns = np.array([tags.index(tag) for tag in known], np.int32)
    fold = np.zeros(len(one.ids), np.int32)
    one = replace(one, tags=tags, fold=fold)
    moved = tuple(replace(boxes, tags=columns[boxes.tags]) for boxes in two.found)
    two = replace(two, tags=tags, fold=fold, truth=one.truth, found=moved)
    wrong = _faults(one, threshold, overlap), _faults(two, threshold, overlap)
    cards = tuple(TagCard(id="", name=tag) for tag in tags)

    def told(row: int) -> Difference:
        true = one.truth[row]
        names_of = tuple(tags[column] for column in dict.fromkeys(true.tags.tolist()))
        return Difference(
            one.ids[row],
            names_of,
            _boxes(cards, true, 0.0),
            _boxes(cards, one.found[row], threshold),
            _boxes(cards, two.found[row], threshold),
        )

    figures = None
    if one.ids:
        figures = BoxFigures(one).score(threshold, overlap), BoxFigures(two).score(threshold, overlap)
    distance = np.abs(wrong[0] - wrong[1]).astype(np.float64)
    return _compared((wrong[0] == 0, wrong[1] == 0), distance, told, figures)


def _compared(
    right: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]],
    distance: npt.NDArray[np.float64],
    told: Callable[[int], Difference],
    figures: tuple[Score, Score] | None,
) -> Comparison:
    first, other = right
    order = np.argsort(-distance, kind="stable")

    def listed(mask: npt.NDArray[np.bool_]) -> tuple[Difference, ...]:
        return tuple(told(row) for row in order[mask[order]][:MOST_LISTED].tolist())

    won, lost = first & ~other, ~first & other
    return Comparison(
        images=len(first),
        won=listed(won),
        lost=listed(lost),
        won_count=int(won.sum()),
        lost_count=int(lost.sum()),
        both_right=int((first & other).sum()),
        both_wrong=int((~first & ~other).sum()),
        figures=figures,
    )


def _common(ids: Sequence[str], others: Sequence[str]) -> tuple[_Numbers, _Numbers]:
    """Rows of the images that both have, in the order of their ids."""
    places = {image: row for row, image in enumerate(others)}
    pairs = sorted((image, row, places[image]) for row, image in enumerate(ids) if image in places)
    return (
        np.array([row for _, row, _ in pairs], np.intp),
        np.array([row for _, _, row in pairs], np.intp),
    )


def _all_tags(first: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *others]))


def _placed(
    matrix: npt.NDArray[np.generic], own: Sequence[str], tags: Sequence[str]
) -> npt.NDArray[np.generic]:
    """(N, K) in the columns of all tags; those of tags that are not among its own are 0."""
    placed = np.zeros((len(matrix), len(tags)), matrix.dtype)
    placed[:, [tags.index(tag) for tag in own]] = matrix
    return placed


def _judged(
    predictions: ClassPredictions,
    tags: tuple[str, ...],
    truth: npt.NDArray[np.generic],
    probabilities: npt.NDArray[np.generic],
) -> ClassPredictions:
    found = probabilities.astype(np.float64)
    # All in one fold, which was held out: the user's own test set counts like the rest.
    fold = np.zeros(len(predictions.ids), np.int32)
    return replace(
        predictions,
        tags=tags,
        fold=fold,
        truth=truth.astype(bool),
        probabilities=found,
        uncalibrated=found,
        new_scenes=None,
    )


def _right(predictions: ClassPredictions, threshold: float) -> npt.NDArray[np.bool_]:
    found, truth = predictions.probabilities, predictions.truth
    if _BY_THRESHOLD[predictions.kind]:
        return np.asarray(((found >= threshold) == truth).all(axis=1))
    if not len(found):
        return np.zeros(0, bool)
    return np.asarray(truth[np.arange(len(found)), found.argmax(axis=1)])


def _likeliest(predictions: ClassPredictions, row: int) -> tuple[FoundTag, ...]:
    values = predictions.probabilities[row]
    order = np.argsort(-values, kind="stable")[:_TAGS_SAID]
    return tuple(FoundTag(predictions.tags[column], float(values[column])) for column in order)


def _faults(predictions: BoxPredictions, threshold: float, overlap: float) -> npt.NDArray[np.int64]:
    """(N,) regions that are not found, and boxes that are right about none."""
    table = tabulated(predictions)
    # As 32-bit numbers, like those that clients see: 0.7 reaches 0.7.
    counts = table.score.astype(np.float32) >= np.float32(threshold)
    right = counts & (matched(table, overlap) != NONE)

    def of_photos(photo: _Numbers) -> npt.NDArray[np.int64]:
        return np.bincount(photo, minlength=table.photos).astype(np.int64)

    drawn, found = of_photos(table.true_photo), of_photos(table.photo[counts])
    return drawn + found - 2 * of_photos(table.photo[right])


def _boxes(cards: Sequence[TagCard], boxes: Boxes, threshold: float) -> tuple[FoundTag, ...]:
    shown = boxes.where(boxes.scores >= np.float32(threshold))
    return tuple(
        FoundTag(one.tag.name, one.probability, one.place) for one in by_tag(cards, shown, len(shown))
    )
