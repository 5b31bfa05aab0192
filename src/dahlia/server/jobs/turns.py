"""Which lane has its turn at a worker: short work comes before long, but not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dahlia.server.jobs.records import Claimed, Kind, Lane

LONG_PATIENCE = 1800.0  # seconds for which short work may pass long work at a worker that takes both


@dataclass(frozen=True)
class Choice:
    """Jobs among which a worker chooses.

    Attributes:
        lane: short or long.
        before: only those that were asked for before; None for all.
    """

    lane: Lane
    before: datetime | None = None


@dataclass
class Turns:
    """What a worker takes, and of which lane first; see `dahlia.server.jobs.order` for what follows.

    Attributes:
        kinds: what it can do.
        lane: which jobs it takes.
        clock: seconds that only grow.
    """

    kinds: Collection[Kind] = tuple(Kind)
    lane: Lane = Lane.ALL
    clock: Callable[[], float] = time.monotonic
    _long_taken: bool = False
    _short_since: float | None = None

    def choices(self, now: datetime) -> Iterator[Choice]:
        """The choices, the preferred one first.

        Short work comes before long. But long work that has waited for half an hour has its turn, at the
        earliest half an hour after the last, so that neither waits for ever where there is one worker.

        Args:
            now: the time by the clock of those that ask for jobs.
        """
        if self.lane is Lane.ALL and self._long_may_pass():
            yield Choice(Lane.LONG, now - timedelta(seconds=LONG_PATIENCE))
        for lane in self.lane.parts:
            yield Choice(lane)

    def took(self, claimed: Claimed) -> None:
        """Remember a job that was taken."""
        self._long_taken = claimed.lane is Lane.LONG

    def ended(self) -> None:
        """Remember that the job ended."""
        if self._long_taken:
            self._short_since = self.clock()

    def _long_may_pass(self) -> bool:
        return self._short_since is None or self.clock() - self._short_since >= LONG_PATIENCE
