"""Boxes in photos, as arrays: their overlaps, and which of several on one object stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.float32]


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


def overlaps(first: Places, second: Places) -> Places:
    """Intersection over union of every pair: (A, 4) and (B, 4) to (A, B), 0 to 1.

    Boxes without area overlap nothing.
    """
    ends_first, ends_second = first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:]
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(ends_first[:, None], ends_second[None])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    together = np.prod(first[:, None, 2:], axis=2) + np.prod(second[None, :, 2:], axis=2) - shared
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
    left = boxes.where(order)
    kept: list[int] = []
    alive = np.ones(len(left), bool)
    for row in range(len(left)):
        if not alive[row]:
            continue
        kept.append(row)
        if len(kept) == most:
            break
        later = row + 1 + np.flatnonzero(alive[row + 1 :] & (left.tags[row + 1 :] == left.tags[row]))
        if len(later):
            shared = overlaps(left.places[row : row + 1], left.places[later])[0]
            alive[later[shared > overlap]] = False
    return order[np.array(kept, np.intp)]
