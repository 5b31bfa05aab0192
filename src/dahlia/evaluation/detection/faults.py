"""What goes wrong with boxes, and in which photos most.

Kinds of faults follow TIDE (Bolya et al. 2020), told apart at the threshold, where people meet them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.detection.figures import BoxConfusion, BoxFault, BoxMistake, Fault, Place
from dahlia.evaluation.detection.matching import NONE, BoxTable, take

LEAST_MISPLACED = 0.1

Numbers = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sorted:
    """What became of each box at a threshold and an overlap.

    Attributes:
        table: the boxes.
        chosen: (D,) found boxes that count.
        right: (D,) the true box of each that is right, or `NONE`.
        swapped: (D,) the true box of another tag that each of the others is on, or `NONE`.
        misplaced: (D,) boxes that overlap a true one of their tag too little.
        duplicate: (D,) boxes on a true one of their tag that another one has found.
        below: (G,) the highest score below the threshold that would be right, or 0.
    """

    table: BoxTable
    chosen: Mask
    right: Numbers
    swapped: Numbers
    misplaced: Mask
    duplicate: Mask
    below: npt.NDArray[np.float64]

    @property
    def wrong(self) -> Mask:
        """(D,) found boxes that count and are not right."""
        return np.asarray(self.chosen & (self.right == NONE))

    @property
    def missed(self) -> Mask:
        """(G,) true boxes that no found box is on, whatever its tag."""
        gone = np.zeros(len(self.table.true_tag), bool)
        for partners in (self.right, self.swapped):
            gone[partners[partners != NONE]] = True
        return ~gone

    def fault(self, found: int) -> Fault:
        """That of a found box which is wrong."""
        if self.swapped[found] != NONE:
            return "wrong_tag"
        if self.duplicate[found]:
            return "duplicate"
        return "misplaced" if self.misplaced[found] else "nothing_there"

    def counts(self) -> dict[Fault, int]:
        """How many there are of each."""
        counted: dict[Fault, int] = dict.fromkeys(get_args(Fault), 0)
        counted["missed"] = int(self.missed.sum())
        for found in np.flatnonzero(self.wrong).tolist():
            counted[self.fault(found)] += 1
        return counted


def sort_boxes(table: BoxTable, partners: Numbers, threshold: float, overlap: float) -> Sorted:
    """Tell right boxes from wrong ones, and what is wrong with these.

    Args:
        table: the boxes.
        partners: (D,) of `matched` at the overlap.
        threshold: the score from which a found box counts.
        overlap: from which a found box is on a true one.
    """
    chosen = table.score >= threshold
    right = np.where(chosen, partners, NONE)
    taken = np.zeros(len(table.true_tag), bool)
    taken[right[right != NONE]] = True
    free = (chosen & (right == NONE))[table.pair_found]
    on, same = table.reaching(overlap), table.same_tag
    both = take(table, free & on & ~same, right, taken)
    near = same & free & (table.pair_overlap >= LEAST_MISPLACED)
    below = np.zeros(len(table.true_tag))
    rest = (partners != NONE) & ~chosen
    below[partners[rest]] = table.score[rest]
    return Sorted(
        table=table,
        chosen=chosen,
        right=right,
        swapped=np.where(right == NONE, both, NONE),
        misplaced=_any(table, near & ~on),
        duplicate=_any(table, same & free & on),
        below=below,
    )


def confusion(sorted_boxes: Sorted) -> BoxConfusion:
    """What was taken for what; see `BoxConfusion`."""
    table, size = sorted_boxes.table, len(sorted_boxes.table.tags) + 1
    counts = np.zeros((size, size), np.intp)
    for partners in (sorted_boxes.right, sorted_boxes.swapped):
        found = np.flatnonzero(partners != NONE)
        np.add.at(counts, (table.true_tag[partners[found]], table.tag[found]), 1)
    invented = sorted_boxes.wrong & (sorted_boxes.swapped == NONE)
    np.add.at(counts[-1], table.tag[invented], 1)
    np.add.at(counts[:, -1], table.true_tag[sorted_boxes.missed], 1)
    return BoxConfusion(counts=tuple(tuple(row) for row in counts.tolist()))


def worst(
    sorted_boxes: Sorted, ids: tuple[str, ...], most: int, paths: Mapping[str, str]
) -> tuple[BoxMistake, ...]:
    """The photos with the highest loss; ties in the order of ids.

    Args:
        sorted_boxes: of N photos.
        ids: N.
        most: at most so many photos.
        paths: image id to path.
    """
    table, faults = sorted_boxes.table, _faults(sorted_boxes)
    losses = {photo: sum(_loss(each) for each in found) for photo, found in faults.items()}
    rows = sorted(losses, key=lambda photo: (-losses[photo], ids[photo]))[:most]
    return tuple(
        BoxMistake(
            image=ids[photo],
            path=paths.get(ids[photo]),
            boxes=int((table.true_photo == photo).sum()),
            correct=int(((table.photo == photo) & (sorted_boxes.right != NONE)).sum()),
            faults=tuple(sorted(faults[photo], key=lambda fault: -_loss(fault))),
            loss=losses[photo],
        )
        for photo in rows
    )


def place_of(place: npt.NDArray[np.float32]) -> Place:
    """A row of `Boxes.places`."""
    left, top, width, height = place.tolist()
    return Place(left=left, top=top, width=width, height=height)


def _any(table: BoxTable, pairs: Mask) -> Mask:
    found = np.zeros(len(table.score), bool)
    found[table.pair_found[pairs]] = True
    return found


def _faults(sorted_boxes: Sorted) -> dict[int, list[BoxFault]]:
    table = sorted_boxes.table
    faults: dict[int, list[BoxFault]] = {}
    for true in np.flatnonzero(sorted_boxes.missed).tolist():
        fault = BoxFault(
            fault="missed",
            tag=table.tags[table.true_tag[true]],
            place=place_of(table.true_place[true]),
            score=float(sorted_boxes.below[true]),
        )
        faults.setdefault(int(table.true_photo[true]), []).append(fault)
    for found in np.flatnonzero(sorted_boxes.wrong).tolist():
        swapped = sorted_boxes.swapped[found]
        fault = BoxFault(
            fault=sorted_boxes.fault(found),
            tag=table.tags[table.tag[found]],
            true_tag=None if swapped == NONE else table.tags[table.true_tag[swapped]],
            place=place_of(table.place[found]),
            score=float(table.score[found]),
        )
        faults.setdefault(int(table.photo[found]), []).append(fault)
    return faults


def _loss(fault: BoxFault) -> float:
    return 1 - fault.score if fault.fault == "missed" else fault.score
