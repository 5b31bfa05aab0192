"""Which of two ways to the same answer is quicker on this machine, now."""

from __future__ import annotations

import math

_AGAIN = 20  # of so many choices one is the other way, in case that it has become quicker
_UP = 0.1  # weight of a time that is longer than expected: it says more of other programs than of the way


class Quicker:
    """Chooses between two ways, 0 and 1, by the times that they took.

    A machine that does other things may turn them round. Used by one thread at a time; where two use it, the
    worst is a choice that is not the best.
    """

    def __init__(self) -> None:
        self._seconds = [math.nan, math.nan]
        self._asked = 0

    def choose(self) -> int:
        """The way to take; each is tried first."""
        self._asked += 1
        for way in (1, 0):
            if math.isnan(self._seconds[way]):
                return way
        best = int(self._seconds[1] < self._seconds[0])
        return best if self._asked % _AGAIN else 1 - best

    def took(self, way: int, seconds: float) -> None:
        """Learn how long a way took."""
        before = self._seconds[way]
        late = seconds > before  # of the first, which is slow since all is new, nothing is kept for long
        self._seconds[way] = before + _UP * (seconds - before) if late else seconds
