"""Time: what is left of a budget, and how many epochs still fit into it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

Clock = Callable[[], float]
_EPOCHS_REMEMBERED = 3


class Budget:
    """Seconds that may be spent.

    Args:
        seconds: in all.
        spent: by an earlier run that was interrupted.
        clock: seconds that only grow.
    """

    def __init__(self, seconds: float, spent: float = 0.0, clock: Clock = time.monotonic) -> None:
        self.seconds, self.clock = seconds, clock
        self.began = clock() - spent

    @property
    def spent(self) -> float:
        """Seconds, with those of the interrupted run."""
        return self.clock() - self.began

    @property
    def left(self) -> float:
        """Seconds; below 0 once it is overdrawn."""
        return self.seconds - self.spent


@dataclass(frozen=True)
class Timetable:
    """The runs of fine-tuning in their order: one per fold, then the final one.

    Attributes:
        draws: photos that an epoch of each run draws.
    """

    draws: tuple[int, ...]

    def affordable(self, run: int, done: int, horizon: int, seconds: float, pace: float) -> int:
        """The most epochs that every run can have.

        Args:
            run: the number of the run that is under way.
            done: its epochs so far.
            horizon: the most that is wanted.
            seconds: what is left.
            pace: seconds per photo drawn.

        Returns:
            0 to `horizon`.
        """
        later = sum(self.draws[run + 1 :])
        for epochs in range(horizon, 0, -1):
            photos = max(0, epochs - done) * self.draws[run] + epochs * later
            if photos * pace <= seconds:
                return epochs
        return 0


@dataclass
class Pace:
    """Seconds per photo over the last epochs: one hiccup counts a third, a machine that slows down counts."""

    recent: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_EPOCHS_REMEMBERED))

    def add(self, seconds: float, photos: int) -> None:
        """Note an epoch."""
        self.recent.append((seconds, photos))

    @property
    def value(self) -> float:
        """Seconds per photo."""
        return sum(seconds for seconds, _ in self.recent) / sum(photos for _, photos in self.recent)
