"""Boxes in photos, as arrays: their overlaps, and which of several on one object stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.float32]

_AT_ONCE = 64  # boxes that are compared with all others in one step: fewer take more steps, more memory


@dataclass(frozen=True)
class Boxes:
    """M tagged boxes in one photo.

    Attributes:
        tags: (M,) int32 columns of a list of tags.
        places: (M, 4) float32 left, top, width, height as fractions of the photo, from its top left corner.
        scores: (M,) float32 how probable it is that they are right, 0 to 1; 1 for what people drew.
    """

    tags: npt.NDArray[np.int32]
    places: Places
    scores: npt.NDArray[np.float32]

    def __len__(self) -> int:
        """M."""
        return len(self.tags)

    def where(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Boxes:
        """The boxes for which a mask (M,) holds, or those with these numbers, in their order."""
        return Boxes(self.tags[rows], self.places[rows], self.scores[rows])


def no_boxes() -> Boxes:
    """Of a photo without any."""
    return Boxes(np.zeros(0, np.int32), np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


def within(boxes: Boxes) -> Boxes:
    """Boxes cut at the edges of their photo, where they are given to people."""
    start = boxes.places[:, :2].clip(0, 1)
    end = (boxes.places[:, :2] + boxes.places[:, 2:]).clip(0, 1)
    return Boxes(boxes.tags, np.concatenate([start, end - start], 1), boxes.scores)


def overlaps(first: Places, second: Places) -> Places:
    """Intersection over union of every pair: (A, 4) and (B, 4) to (A, B), 0 to 1.

    Boxes without area overlap nothing.
    """
    left, top, width, height = first.T[:, :, None]
    other_left, other_top, other_width, other_height = second.T[:, None]
    across = np.minimum(left + width, other_left + other_width) - np.maximum(left, other_left)
    down = np.minimum(top + height, other_top + other_height) - np.maximum(top, other_top)
    shared = np.maximum(across, 0) * np.maximum(down, 0)
    together = width * height + other_width * other_height - shared
    answer = np.zeros(shared.shape, np.float32)
    np.divide(shared, together, out=answer, where=together > 0)
    return answer


def suppressed(boxes: Boxes, overlap: float, least: float, most: int) -> Boxes:
    """Greedy non-maximum suppression, each tag by itself.

    Args:
        boxes: any number of them, in any order.
        overlap: a box goes where one of the same tag with a higher score overlaps it by more than this.
        least: the lowest score that stays.
        most: at most so many stay, of all tags together.

    Returns:
        Those that stay, the highest score first; of equal ones the first given.
    """
    return boxes.where(unsuppressed(boxes, overlap, least, most))


def unsuppressed(boxes: Boxes, overlap: float, least: float, most: int) -> npt.NDArray[np.intp]:
    """The numbers of the boxes that stay, in the order of their scores; see `suppressed`."""
    order = np.argsort(-boxes.scores, kind="stable")
    order = order[boxes.scores[order] >= least]
    kept: list[npt.NDArray[np.intp]] = []
    count = 0
    while len(order) and count < most:
        best, order = order[:_AT_ONCE], order[_AT_ONCE:]
        best = best[_stay(_conflicts(boxes, best, best, overlap))][: most - count]
        kept.append(best)
        count += len(best)
        if len(order):
            order = order[~_conflicts(boxes, best, order, overlap).any(0)]
    return np.concatenate(kept) if kept else order


def _conflicts(
    boxes: Boxes, first: npt.NDArray[np.intp], second: npt.NDArray[np.intp], overlap: float
) -> npt.NDArray[np.bool_]:
    """(A, B): which pairs of the boxes with these numbers cannot both stay."""
    same: npt.NDArray[np.bool_] = boxes.tags[first][:, None] == boxes.tags[second]
    same &= overlaps(boxes.places[first], boxes.places[second]) > overlap
    return same


def _stay(conflicts: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which of boxes in the order of their scores stay, by the conflicts (A, A) between them."""
    stay = np.ones(len(conflicts), bool)
    for row in np.flatnonzero(conflicts.any(1)):
        if stay[row]:
            stay[row + 1 :] &= ~conflicts[row, row + 1 :]
    return stay
