"""Whether a graph of 8 bits is as good as the model, on photos and on parts of them.

8 bits change probabilities by more than floats do, and most where a model is unsure. Of the photos that it
was trained on it is sure; of their parts it is about as sure as of new photos (see docs/serving.md). So both
are asked about, and what counts is what is right, and what the model was sure of.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dahlia.dataset.imaging import Pixels, squash
from dahlia.kinds import Kind
from dahlia.serving.choice.judging import overlap
from dahlia.serving.models.readers import Scored

MOST_LOST = 0.005
"""Of what was right, the share that may be wrong: half a point."""
SURE = 0.5
"""The lead of a tag, or the score of a box, from which the model is sure."""
MOST_MOVED = 0.01
"""The mean over all photos of the largest difference of a probability, or of the scores of boxes."""
_SAME_BOX = 0.5  # intersection over union, as in the accuracy of detectors
_NEAR = 0.1  # a score that falls by less, across the line, is no box that is lost
_PART = 0.6  # of an edge

Said = Sequence[Scored]


@dataclass
class QuantisedComparison:
    """What was compared.

    Attributes:
        photos: how many, parts of photos included.
        compared: probabilities: one of each photo, or one of each box.
        asked: decisions about them: a top tag, a tag or not, or a box.
        right: decisions of the model that are right.
        kept: right decisions of the other one.
        changed: photos about which the model was sure, and the other one says something else.
        moved: the sum of the largest differences of a probability of each photo; of a detector, of the
            differences of the scores of its boxes.
    """

    photos: int = 0
    compared: int = 0
    asked: int = 0
    right: int = 0
    kept: int = 0
    changed: int = 0
    moved: float = 0.0

    @property
    def mean_moved(self) -> float:
        """The mean difference; not a number where one is none."""
        return self.moved / max(1, self.compared)

    def refusal(self) -> str | None:
        """Why it may not be taken; None where it may."""
        if not self.photos:
            return "there are no photos to compare on"
        if self.changed:
            return (
                f"the answer for {self.changed} of {self.photos} photos that the model is sure of is another"
            )
        lost = (self.right - self.kept) / max(1, self.asked)
        if lost > MOST_LOST:
            return f"it loses {100 * lost:.1f} points of what is right, and may lose {100 * MOST_LOST:g}"
        if not self.mean_moved <= MOST_MOVED:
            return f"probabilities differ by {self.mean_moved:.2g} on average, and may by {MOST_MOVED:g}"
        return None


def part_of(photo: Pixels, number: int) -> Pixels:
    """A corner of a photo, at the size of the photo; which one follows from the number."""
    edge = len(photo)
    length = round(_PART * edge)
    top, left = (number // 2 % 2) * (edge - length), (number % 2) * (edge - length)
    return squash(np.ascontiguousarray(photo[top : top + length, left : left + length]), edge)


def compare_quantised(
    answers: Iterable[tuple[Collection[str], Said, Said]],
    kind: Kind,
    must_end: Callable[[], bool] = lambda: False,
) -> QuantisedComparison:
    """Compare what a graph of 8 bits says with what the model says.

    Args:
        answers: of each photo its tags, what the model says, and what the other one says.
        kind: of the model.
        must_end: is asked after each photo.
    """
    decide, moves = _RULES[kind]
    found = QuantisedComparison()
    for tags, expected, received in answers:
        asked, right, kept, changed = decide(tags, expected, received)
        found.photos += 1
        found.asked += asked
        found.right += right
        found.kept += kept
        found.changed += changed
        moved = moves(expected, received)
        found.compared += len(moved)
        found.moved += sum(moved)
        if must_end():
            break
    return found


def _moved_most(expected: Said, received: Said) -> list[float]:
    others = {one.tag.id: one.probability for one in received}
    return [float(np.max([abs(one.probability - others[one.tag.id]) for one in expected]))]


def _moved_boxes(expected: Said, received: Said) -> list[float]:
    return [
        min(
            (abs(one.probability - box.probability) for one in received if _is_among(one, [box])),
            default=box.probability,
        )
        for box in expected
        if box.probability >= SURE - 2 * _NEAR
    ]


_Decided = tuple[int, int, int, bool]
_Decide = Callable[[Collection[str], Said, Said], _Decided]
_Move = Callable[[Said, Said], list[float]]


def _top_tag(tags: Collection[str], expected: Said, received: Said) -> _Decided:
    lead = expected[0].probability - (expected[1].probability if len(expected) > 1 else 0.0)
    ours, theirs = expected[0].tag.name, received[0].tag.name
    is_number = bool(np.isfinite(received[0].probability))
    return 1, ours in tags, is_number and theirs in tags, not is_number or (lead > SURE and theirs != ours)


def _each_tag(tags: Collection[str], expected: Said, received: Said) -> _Decided:
    others = {one.tag.id: one.probability for one in received}
    right = kept = 0
    changed = False
    for one in expected:
        ours, theirs = one.probability, others[one.tag.id]
        right += (ours >= SURE) == (one.tag.name in tags)
        kept += (theirs >= SURE) == (one.tag.name in tags)
        changed |= not np.isfinite(theirs) or (
            abs(2 * ours - 1) > SURE and (theirs >= SURE) != (ours >= SURE)
        )
    return len(expected), right, kept, changed


def _each_box(tags: Collection[str], expected: Said, received: Said) -> _Decided:
    """The model's boxes are what is right: where the objects are, nothing says."""
    ours = [one for one in expected if one.probability >= SURE]
    theirs = [one for one in received if one.probability >= SURE]
    near = [[one for one in side if one.probability >= SURE - _NEAR] for side in (expected, received)]
    lost = sum(not _is_among(one, near[1]) for one in ours)
    added = sum(not _is_among(one, near[0]) for one in theirs)
    sure = [one for one in ours if one.probability >= SURE + _NEAR]
    return len(ours), len(ours), len(ours) - lost - added, not all(_is_among(one, received) for one in sure)


def _is_among(box: Scored, others: Said) -> bool:
    return any(one.tag.id == box.tag.id and overlap(one, box) >= _SAME_BOX for one in others)


_RULES: dict[Kind, tuple[_Decide, _Move]] = {
    "multiclass": (_top_tag, _moved_most),
    "multilabel": (_each_tag, _moved_most),
    "detection": (_each_box, _moved_boxes),
}
