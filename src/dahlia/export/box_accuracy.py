"""Mean average precision of boxes at an overlap of 0.5: by how much a lossy export is worse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dahlia.boxes import Boxes, overlaps

OVERLAP = 0.5


def mean_average_precision(found: Sequence[Boxes], truth: Sequence[Boxes]) -> float:
    """The mean over the tags that are in the photos of the area under precision and recall.

    A box is right where it overlaps one of its tag that no box with a higher score was matched with by at
    least `OVERLAP`. Precision is interpolated: at each recall it is the best of what recalls at least as
    much, as in the PASCAL VOC challenge since 2010 (Everingham and others).

    Args:
        found: of each photo.
        truth: of each photo, what people drew.

    Returns:
        0 to 1; NaN where the photos have no box.
    """
    tags = sorted({int(tag) for one in truth for tag in one.tags})
    return float(np.mean([_average_precision(found, truth, tag) for tag in tags])) if tags else float("nan")


def _average_precision(found: Sequence[Boxes], truth: Sequence[Boxes], tag: int) -> float:
    right: list[npt.NDArray[np.bool_]] = []
    scores: list[npt.NDArray[np.float32]] = []
    for said, drawn in zip(found, truth, strict=True):
        mine = said.where(said.tags == tag)
        mine = mine.where(np.argsort(-mine.scores, kind="stable"))
        right.append(_right(mine, drawn.where(drawn.tags == tag)))
        scores.append(mine.scores)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    hits = np.concatenate(right)[order].cumsum()
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    recall = hits / sum(int((one.tags == tag).sum()) for one in truth)
    return float((np.diff(recall, prepend=0.0) * best).sum())


def _right(found: Boxes, drawn: Boxes) -> npt.NDArray[np.bool_]:
    """Which of the boxes of one tag in one photo, the highest score first, are right."""
    answer = np.zeros(len(found), bool)
    if not len(drawn):
        return answer
    shared = overlaps(found.places, drawn.places)
    for row in range(len(found)):
        best = int(shared[row].argmax())
        if shared[row, best] >= OVERLAP:
            answer[row] = True
            shared[:, best] = 0
    return answer
