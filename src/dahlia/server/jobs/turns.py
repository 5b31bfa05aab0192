"""Whose turn it is at a worker: short work before long, trainings and exports by turns, projects in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dahlia.server.jobs.records import Claimed, Kind, Lane

LONG_PATIENCE = 1800.0  # seconds for which short work may pass long work at a worker that takes both

# An export does not wait for a row of trainings, nor a training for one of exports.
_GROUPS: tuple[frozenset[Kind], ...] = (frozenset({Kind.EXPORT, Kind.IMPORT}), frozenset({Kind.TRAIN}))


@dataclass(frozen=True)
class Choice:
    """Jobs among which a worker chooses.

    Attributes:
        lane: short or long.
        kinds: what they do.
        after: the `project_key` after which the others' turn begins; None for the oldest job first.
        before: only those that were asked for before; None for all.
    """

    lane: Lane
    kinds: frozenset[Kind]
    after: int | None
    before: datetime | None = None


@dataclass
class Turns:
    """What a worker takes, and in which order; it remembers what it took.

    Attributes:
        kinds: what it can do.
        lane: which jobs it takes.
        clock: seconds that only grow.
    """

    kinds: Collection[Kind] = tuple(Kind)
    lane: Lane = Lane.ALL
    clock: Callable[[], float] = time.monotonic
    _after: dict[frozenset[Kind], int] = field(default_factory=dict)
    _last: frozenset[Kind] | None = None
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
            yield from self._of(Lane.LONG, now - timedelta(seconds=LONG_PATIENCE))
        for lane in self.lane.parts:
            yield from self._of(lane)

    def took(self, claimed: Claimed) -> None:
        """Remember a job that was taken."""
        self._last = next(group for group in _GROUPS if claimed.kind in group)
        self._after[self._last] = claimed.project_key
        self._long_taken = claimed.lane is Lane.LONG

    def ended(self) -> None:
        """Remember that the job ended."""
        if self._long_taken:
            self._short_since = self.clock()

    def _long_may_pass(self) -> bool:
        return self._short_since is None or self.clock() - self._short_since >= LONG_PATIENCE

    def _of(self, lane: Lane, before: datetime | None = None) -> Iterator[Choice]:
        for group in sorted(_GROUPS, key=lambda group: group == self._last):
            if kinds := group & frozenset(self.kinds):
                yield Choice(lane, kinds, self._after.get(group), before)
