"""Average precision of boxes as COCO defines it.

Precision is interpolated: at each recall the best one that is reached there or at a higher recall. Average
precision is its mean at the 101 recalls 0, 0.01, ... 1; beyond the highest recall it is 0 (Lin et al. 2014).
Boxes of equal score are one step, so the order of photos has no say; the original goes through them one by
one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.detection.matching import NONE, BoxTable, matched
from dahlia.evaluation.resampling import step_ends

GRID = 100
TINY = 1e-9
"""What is added before rounding down: divisions round."""

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Ranking:
    """The found boxes of one tag, those of the highest score first.

    Attributes:
        photo: (D,) rows of their photos.
        score: (D,) falling.
        right: (D,) whether each is right.
        boxes: (N,) true boxes of the tag in each photo.
    """

    photo: npt.NDArray[np.intp]
    score: Values
    right: Mask
    boxes: Values


def ranking(table: BoxTable, partners: npt.NDArray[np.intp], column: int) -> Ranking:
    """That of a tag.

    Args:
        table: the boxes.
        partners: see `dahlia.evaluation.detection.matching.matched`.
        column: of the tag.
    """
    rows = table.of_tag(column)
    true = table.true_photo[table.true_tag == column]
    return Ranking(
        photo=table.photo[rows],
        score=table.score[rows],
        right=partners[rows] != NONE,
        boxes=np.bincount(true, minlength=table.photos).astype(np.float64),
    )


def average_precision(ranked: Ranking) -> float | None:
    """That of the photos as they are; None for a tag without true boxes."""
    return plain_average_precision(ranked.right, ranked.score, int(ranked.boxes.sum()))


def plain_average_precision(right: Mask, score: Values, boxes: int) -> float | None:
    """That of one tag where each photo counts once.

    Args:
        right: (D,) whether each found box is right.
        score: (D,) falling.
        boxes: true boxes of the tag.

    Returns:
        0 to 1; None where there are no true boxes.
    """
    if boxes == 0:
        return None
    if not len(score):
        return 0.0
    ends = step_ends(score)
    found = np.cumsum(right)[ends]
    best = np.maximum.accumulate((found / (ends + 1))[::-1])[::-1]
    points = np.diff(np.floor(GRID * (found / boxes) + TINY), prepend=-1)
    return float((points * best).sum() / (GRID + 1))


def mean_average_precision(table: BoxTable, overlap: float) -> float | None:
    """Mean over the tags that have true boxes, at an overlap; None where none has."""
    partners = matched(table, overlap)
    tags = [average_precision(ranking(table, partners, column)) for column in range(len(table.tags))]
    defined = [each for each in tags if each is not None]
    return float(np.mean(defined)) if defined else None
