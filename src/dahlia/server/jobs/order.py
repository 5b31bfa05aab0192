"""The order in which jobs are taken: which lane has its turn at a worker, then which job of the lane.

A worker takes jobs in this order, and a client's place in the queue follows from it. Which lanes there are
follows from the workers that a server starts.
"""

from __future__ import annotations

import heapq
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, select
from sqlalchemy.orm import Session, aliased

from dahlia.dataset.decoding_memory import machine_memory
from dahlia.server.contract.enums import TrainingType
from dahlia.server.database.work_tables import JobRow
from dahlia.server.jobs.job import Claimed, JobKind, Lane, State

if TYPE_CHECKING:
    from dahlia.settings.server import JobsSection

# An export does not wait for a row of trainings, nor a training for one of exports.
GROUPS: tuple[frozenset[JobKind], ...] = (
    frozenset({JobKind.EXPORT, JobKind.IMPORT}),
    frozenset({JobKind.TRAIN}),
)
LONG_PATIENCE = 1800.0  # seconds for which short work may pass long work at a worker that takes both
_REMEMBERED = 2000  # jobs before the oldest that waits, so that a long history costs nothing
_MOMENT = timedelta(microseconds=1)
_GIGABYTE = 1024**3
SERVER_BYTES = _GIGABYTE
"""Memory of a server with some models."""
WORKER_BYTES = 2 * _GIGABYTE
"""Memory of a worker at work: itself, its warm process, and an export or the stages of a training."""


def in_lane(lane: Lane) -> ColumnElement[bool]:
    """Jobs of a lane."""
    return func.coalesce(JobRow.lane, Lane.SHORT) == lane


def in_order(lane: Lane, kinds: Collection[JobKind]) -> Select[JobRow]:
    """The waiting jobs of a lane and some kinds of one group, the next one first.

    A job's turn comes by when it was asked for or, where its project had a turn since, by when that began:
    jobs are served by age, and of a project that asked for many each lets those pass that came meanwhile.
    """
    last = _last_turns(lane, kinds)
    passed = and_(last.c.started.is_not(None), last.c.started > JobRow.created)
    return (
        select(JobRow)
        .outerjoin(last, last.c.project_key == JobRow.project_key)
        .where(JobRow.state == State.WAITING, in_lane(lane), JobRow.kind.in_(list(kinds)))
        .order_by(case((passed, last.c.started), else_=JobRow.created), JobRow.key)
    )


def groups_in_order(session: Session, lane: Lane) -> list[frozenset[JobKind]]:
    """The groups of kinds, the one that did not have the last turn in the lane first."""
    begun = select(JobRow.kind).where(*_begun(lane)).order_by(JobRow.started.desc(), JobRow.key.desc())
    last = session.scalar(begun.limit(1))
    return sorted(GROUPS, key=lambda group: last in group)


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

    kinds: Collection[JobKind] = tuple(JobKind)
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


@dataclass
class Line:
    """What is known of a lane's turns.

    Attributes:
        groups: of kinds, the next one first.
        last: when each project's last turn of a group began.
    """

    groups: list[frozenset[JobKind]]
    last: dict[tuple[int, frozenset[JobKind]], datetime]

    @classmethod
    def read(cls, session: Session, lane: Lane) -> Line:
        """From the database."""
        last = {}
        for group in GROUPS:
            found = _last_turns(lane, group)
            for row in session.execute(select(found.c.project_key, found.c.started)):
                last[row.project_key, group] = row.started
        return cls(groups_in_order(session, lane), last)

    def order(self, waiting: Sequence[JobRow]) -> Iterator[JobRow]:
        """Jobs of the lane in the order in which they are taken, if no others come.

        Args:
            waiting: by key.
        """
        rows = {group: _Row(group, waiting, self.last) for group in GROUPS}
        later = max([job.created for job in waiting] + list(self.last.values()), default=None)
        preferred, other = (rows[group] for group in self.groups)
        for number in range(len(waiting)):
            assert later is not None
            taken, rest = (preferred, other) if preferred.heads else (other, preferred)
            yield taken.take(later + (number + 1) * _MOMENT)
            preferred, other = rest, taken


class _Row:
    """Jobs of one group: the oldest of each project by when its turn comes."""

    def __init__(
        self,
        group: frozenset[JobKind],
        waiting: Sequence[JobRow],
        last: dict[tuple[int, frozenset[JobKind]], datetime],
    ) -> None:
        self._projects: dict[int, deque[JobRow]] = defaultdict(deque)
        for job in waiting:
            if job.kind in group:
                self._projects[job.project_key].append(job)
        self.heads: list[tuple[datetime, int, JobRow]] = []
        for key in self._projects:
            self._push(key, last.get((key, group)))

    def take(self, now: datetime) -> JobRow:
        job = heapq.heappop(self.heads)[2]
        self._push(job.project_key, now)
        return job

    def _push(self, project_key: int, began: datetime | None) -> None:
        if jobs := self._projects[project_key]:
            job = jobs.popleft()
            heapq.heappush(self.heads, (max(job.created, began or job.created), job.key, job))


def lanes_of(jobs: JobsSection, memory: int | None = None) -> tuple[Lane, ...]:
    """The lanes of the workers that a server starts.

    Unless the settings say how many are long, there is one beside the others if the memory suffices for both.
    Otherwise those that there are take all jobs, short ones first: a long one that has begun is not
    interrupted.

    Args:
        jobs: what the operator says.
        memory: bytes of the machine; default: what this process may use.
    """
    if jobs.long_workers is not None:
        long = jobs.long_workers
    else:
        long = int(jobs.workers > 0 and _enough(jobs.workers + 1, memory or machine_memory()))
    if not long:
        return (Lane.ALL,) * jobs.workers
    return (Lane.SHORT,) * jobs.workers + (Lane.LONG,) * long


def training_lane(kind: str, expected: float, jobs: JobsSection) -> Lane:
    """The lane of a training.

    Args:
        kind: its type; an Advanced one is always long.
        expected: seconds that it is thought to take.
        jobs: says what is short.
    """
    is_long = kind == TrainingType.ADVANCED or expected > jobs.short_seconds
    return Lane.LONG if is_long else Lane.SHORT


def _last_turns(lane: Lane, kinds: Collection[JobKind]) -> Subquery:
    return (
        select(JobRow.project_key, func.max(JobRow.started).label("started"))
        .where(*_begun(lane), JobRow.kind.in_(list(kinds)))
        .group_by(JobRow.project_key)
        .subquery()
    )


def _begun(lane: Lane) -> tuple[ColumnElement[bool], ...]:
    waiting = aliased(JobRow)
    oldest = select(func.min(waiting.key)).where(waiting.state == State.WAITING).scalar_subquery()
    return (
        JobRow.key > oldest - _REMEMBERED,
        JobRow.state != State.WAITING,
        JobRow.started.is_not(None),
        in_lane(lane),
    )


def _enough(workers: int, memory: int) -> bool:
    return memory >= SERVER_BYTES + workers * WORKER_BYTES
