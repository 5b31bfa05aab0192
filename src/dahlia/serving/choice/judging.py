"""Whether another way of computing a model says what the model says, on photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dahlia.serving.models.readers import Scored

SEEN = 0.1
"""Boxes of a lower score are not compared: programs do not show them."""
_SAME_PLACE = 0.7  # intersection over union; suppression may keep the other of two boxes that are all but one


@dataclass
class Comparison:
    """Two ways of computing the same answers, on photos.

    Attributes:
        photos: how many.
        largest: the largest difference of a probability, or of a box's score; infinite for what is no number.
        changed: photos with another most probable tag, or with other boxes, although the model preferred its
            own by more than the limit.
    """

    photos: int = 0
    largest: float = 0.0
    changed: int = 0

    def refusal(self, limit: float) -> str | None:
        """Why it may not be taken, where probabilities may differ by `limit`; None where it may."""
        if not self.photos:
            return "there are no photos to compare on"
        if not self.largest <= limit:
            return f"probabilities differ by up to {self.largest:.2g}, and may by {limit:g}"
        if self.changed:
            return f"the answer for {self.changed} of {self.photos} photos is another"
        return None


def compare(
    pairs: Iterable[tuple[Sequence[Scored], Sequence[Scored]]],
    limit: float,
    *,
    boxed: bool,
    must_end: Callable[[], bool] = lambda: False,
) -> Comparison:
    """Compare what the model says of each photo with what another way of computing it says.

    Args:
        pairs: both answers for each photo.
        limit: below which a preference of the model is none.
        boxed: whether they are boxes.
        must_end: is asked after each photo.
    """
    found = Comparison()
    for expected, received in pairs:
        largest, changed = (_boxes if boxed else _tags)(expected, received, limit)
        found.photos += 1
        # NaN compares as small with everything.
        found.largest = max(found.largest, largest if np.isfinite(largest) else np.inf)
        found.changed += changed
        if must_end():
            break
    return found


def _tags(expected: Sequence[Scored], received: Sequence[Scored], limit: float) -> tuple[float, bool]:
    others = {one.tag.id: one.probability for one in received}
    differences = [abs(one.probability - others[one.tag.id]) for one in expected]
    ahead = expected[0].probability - expected[1].probability if len(expected) > 1 else 0.0
    return float(np.max(differences)), ahead > limit and received[0].tag.id != expected[0].tag.id


def _boxes(expected: Sequence[Scored], received: Sequence[Scored], limit: float) -> tuple[float, bool]:
    largest, changed = 0.0, False
    for ours, theirs in ((expected, received), (received, expected)):
        for box in ours:
            if not box.probability >= SEEN + limit:
                continue
            partners = [
                one for one in theirs if one.tag.id == box.tag.id and overlap(one, box) >= _SAME_PLACE
            ]
            if partners:
                largest = max(largest, min(abs(one.probability - box.probability) for one in partners))
            else:
                changed = True
    return largest, changed


def overlap(one: Scored, other: Scored) -> float:
    """Intersection over union of two boxes, 0 to 1; 0 where one of them has no place."""
    a, b = one.place, other.place
    if a is None or b is None:
        return 0.0
    width = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    height = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    shared = max(0.0, width) * max(0.0, height)
    whole = a.width * a.height + b.width * b.height - shared
    return shared / whole if whole > 0 else 0.0
