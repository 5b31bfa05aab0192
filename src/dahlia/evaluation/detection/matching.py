"""Which found boxes are right.

A found box is right if it has the tag of a true box and overlaps it by at least a given overlap. Each true
box is taken once: boxes choose in the order of their scores, and each takes the true box that it overlaps
most of those that are left. That is the rule of COCO's evaluation (Lin et al. 2014). It never looks at lower
scores, so what is right at one threshold is right at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dahlia.boxes import Boxes, overlaps
from dahlia.modeling.box_predictions import BoxPredictions

NONE = -1
LEAST_PAIR = 0.01
_ROUNDING = 1e-6  # of overlaps that are computed in single precision

Columns = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.intp]
Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class BoxTable:
    """The boxes of N photos in one table: G true ones, D found ones, and P pairs of both that overlap.

    Attributes:
        photos: N.
        tags: K names.
        true_photo: (G,) row of the photo.
        true_tag: (G,) column of the tag.
        true_place: (G, 4) see `Boxes.places`.
        photo: (D,) row of the photo of each found box. Found boxes are in the order of falling scores.
        tag: (D,) column of the tag.
        place: (D, 4)
        score: (D,)
        uncalibrated: (D,)
        pair_found: (P,) rising. Pairs are of one photo and any tags, and overlap by `LEAST_PAIR` or more.
        pair_true: (P,)
        pair_overlap: (P,) falling for each found box.
    """

    photos: int
    tags: tuple[str, ...]
    true_photo: Numbers
    true_tag: Columns
    true_place: npt.NDArray[np.float32]
    photo: Numbers
    tag: Columns
    place: npt.NDArray[np.float32]
    score: Values
    uncalibrated: Values
    pair_found: Numbers
    pair_true: Numbers
    pair_overlap: Values

    @property
    def same_tag(self) -> Mask:
        """(P,) pairs whose boxes have the same tag."""
        return np.asarray(self.tag[self.pair_found] == self.true_tag[self.pair_true])

    def reaching(self, overlap: float) -> Mask:
        """(P,) pairs that overlap by at least so much."""
        return np.asarray(self.pair_overlap >= overlap - _ROUNDING)

    def of_tag(self, column: int) -> Mask:
        """(D,) found boxes of a tag."""
        return np.asarray(self.tag == column)


def tabulated(predictions: BoxPredictions) -> BoxTable:
    """The table of predictions, in the order of their photos; of equal scores the earlier photo's first."""
    truth, found = predictions.truth, predictions.found
    scores = _joined([one.scores for one in found], np.float64)
    order = np.argsort(-scores, kind="stable")
    place_in_order = np.empty(len(order), np.intp)
    place_in_order[order] = np.arange(len(order))
    pair_found, pair_true, pair_overlap = _pairs(truth, found)
    pair_found = place_in_order[pair_found]
    by_score = np.lexsort((pair_true, -pair_overlap, pair_found))
    photo = np.repeat(np.arange(len(found)), [len(one) for one in found])
    return BoxTable(
        photos=len(predictions.ids),
        tags=predictions.tags,
        true_photo=np.repeat(np.arange(len(truth)), [len(one) for one in truth]),
        true_tag=_joined([one.tags for one in truth], np.int32),
        true_place=_joined([one.places for one in truth], np.float32, 4),
        photo=photo[order],
        tag=_joined([one.tags for one in found], np.int32)[order],
        place=_joined([one.places for one in found], np.float32, 4)[order],
        score=scores[order],
        uncalibrated=_joined(predictions.uncalibrated, np.float64)[order],
        pair_found=pair_found[by_score],
        pair_true=pair_true[by_score],
        pair_overlap=pair_overlap[by_score],
    )


def matched(table: BoxTable, overlap: float) -> Numbers:
    """The number (D,) of the true box that each found box is right about, or `NONE`."""
    pairs = table.same_tag & table.reaching(overlap)
    return take(table, pairs, np.full(len(table.score), NONE), np.zeros(len(table.true_tag), bool))


def take(table: BoxTable, pairs: Mask, partners: Numbers, taken: Mask) -> Numbers:
    """Let found boxes without a partner choose one, those of the highest score first.

    Args:
        table: the boxes.
        pairs: (P,) which may be chosen.
        partners: (D,) those that have chosen before; `NONE` elsewhere.
        taken: (G,) true boxes that cannot be chosen.

    Returns:
        (D,) `partners` and the new ones.
    """
    chosen, gone = partners.tolist(), taken.tolist()
    for found, true in zip(table.pair_found[pairs].tolist(), table.pair_true[pairs].tolist(), strict=True):
        if chosen[found] == NONE and not gone[true]:
            chosen[found], gone[true] = true, True
    return np.array(chosen, np.intp)


def _pairs(truth: Sequence[Boxes], found: Sequence[Boxes]) -> tuple[Numbers, Numbers, Values]:
    """Found boxes and true ones, numbered over all photos in their order, and the overlap of each pair."""
    parts: list[tuple[Numbers, Numbers, Values]] = []
    first_found = first_true = 0
    for true, seen in zip(truth, found, strict=True):
        if len(true) and len(seen):
            shared = overlaps(seen.places, true.places)
            rows, columns = np.nonzero(shared >= LEAST_PAIR)
            overlap = shared[rows, columns].astype(np.float64)
            parts.append((rows + first_found, columns + first_true, overlap))
        first_found, first_true = first_found + len(seen), first_true + len(true)
    if not parts:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)
    rows_of, columns_of, overlaps_of = zip(*parts, strict=True)
    return np.concatenate(rows_of), np.concatenate(columns_of), np.concatenate(overlaps_of)


def _joined(parts: Sequence[npt.NDArray[Any]], dtype: type[Any], width: int = 0) -> npt.NDArray[Any]:
    empty = np.zeros((0, width) if width else 0, dtype)
    return np.concatenate([empty, *parts]).astype(dtype)
