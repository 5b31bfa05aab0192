"""What a waiting job waits for: the jobs before it and for how long, or a worker that takes its lane.

Jobs are thought to take as long as the last ones did.
"""

from __future__ import annotations

import heapq
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from dahlia.export.formats import meant_flavor
from dahlia.server.context import Server
from dahlia.server.contract.enums import TrainingType
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.jobs.job import JobKind, Lane, State
from dahlia.server.jobs.order import Line, in_lane
from dahlia.server.jobs.queue import lane_of

FORM = "form"  # in the payload of an export: its platform and flavour
_MOST = 2000  # waiting jobs that are looked at
_NAMED = 3
_NOUNS = {JobKind.EXPORT: "an export", JobKind.IMPORT: "an import"}
_PATIENCE = 10.0  # seconds; an idle worker takes a job as soon as it looks
_LOOKS = 2
_LOOKED_AT = 200  # of the jobs that are done, the newest
_COUNTED = 10  # of those that are alike


@dataclass(frozen=True)
class QueuePosition:
    """Where a waiting job stands.

    Attributes:
        place: 1 where no other is before it.
        waits_for: in words.
        seconds_until_start: None if unknown.
        seconds_left: until it is done; None if unknown.
    """

    place: int
    waits_for: str
    seconds_until_start: float | None
    seconds_left: float | None


@dataclass(frozen=True)
class _Other:
    job: JobRow
    project: str
    training_type: str | None


def position_of(session: Session, server: Server, job: JobRow, *, names: bool) -> QueuePosition:
    """Where a waiting job stands; that jobs are taken in just this order is not promised.

    Args:
        session: to read with.
        server: has the time.
        job: that waits.
        names: whether other projects may be named.
    """
    lane = lane_of(job)
    found = _others(session, job, lane)
    running = [one for one in found if one.job.state == State.RUNNING]
    ahead = _ahead(session, job, running, [one for one in found if one.job.state == State.WAITING])
    durations = Durations.read(session)
    left = [durations.left(one.job, server.now()) for one in running]
    start = _start(left, [durations.of(one.job) for one in ahead])
    if is_unserved(session, server, lane):
        start = None
        words = what_to_start(lane, server.settings.jobs.workers) + "."
    else:
        words = _words(job, running, left, ahead, names=names)
    own = durations.of(job)
    total = None if start is None or own is None else start + own
    return QueuePosition(len(running) + len(ahead) + 1, words, start, total)


def is_unserved(session: Session, server: Server, lane: Lane) -> bool:
    """Whether a job of a lane waits, and no worker that takes such jobs works or has just worked.

    Args:
        session: to read with.
        server: has the time, and knows since when it runs: its own workers need a moment to start.
        lane: short or long.
    """
    before = server.now() - timedelta(seconds=max(_PATIENCE, _LOOKS * server.settings.jobs.poll_seconds))
    oldest = session.scalar(
        select(func.min(JobRow.created)).where(JobRow.state == State.WAITING, in_lane(lane))
    )
    if oldest is None or max(oldest, server.opened) > before:
        return False
    busy = or_(JobRow.state == State.RUNNING, JobRow.ended > before)
    return session.scalar(select(JobRow.key).where(serves(lane), busy).limit(1)) is None


def unserved_lanes(session: Session, server: Server) -> list[Lane]:
    """The lanes whose jobs nobody takes."""
    return [lane for lane in Lane.ALL.parts if is_unserved(session, server, lane)]


def what_to_start(lane: Lane, workers: int) -> str:
    """What nobody takes, and what its operator can do.

    Args:
        lane: short or long.
        workers: that the server starts itself.
    """
    told = "see in the server's log why its workers end, or start" if workers else "start"
    return f"No worker takes {lane} jobs: {told} `dahlia worker --lane {lane}` (`--lane all` takes every job)"


def serves(lane: Lane) -> ColumnElement[bool]:
    """Jobs, of whatever lane, in the hands of a worker that takes those of this lane."""
    return func.coalesce(JobRow.worker_lane, Lane.ALL).in_([lane, Lane.ALL])


@dataclass(frozen=True)
class Durations:
    """Seconds that jobs take.

    Attributes:
        exports: median of each form.
        any_export: median of all; None before the first.
        factors: median of what trainings of a lane took, as a factor of what was thought.
    """

    exports: dict[str, float]
    any_export: float | None
    factors: dict[str, float]

    @classmethod
    def read(cls, session: Session) -> Durations:
        """From the jobs that are done."""
        exports, factors = defaultdict(list), defaultdict(list)
        columns = (JobRow.kind, JobRow.lane, JobRow.expected, JobRow.payload, JobRow.started, JobRow.ended)
        done = select(*columns).where(JobRow.state == State.DONE).order_by(JobRow.key.desc())
        for row in session.execute(done.limit(_LOOKED_AT)):
            if row.started is None or row.ended is None:
                continue
            seconds = max((row.ended - row.started).total_seconds(), 0.0)
            if row.kind == JobKind.EXPORT and FORM in row.payload:
                exports[row.payload[FORM]].append(seconds)
            elif row.kind == JobKind.TRAIN and row.expected:
                factors[row.lane or Lane.SHORT].append(seconds / row.expected)
        every = [seconds for values in exports.values() for seconds in values]
        return cls(_medians(exports), statistics.median(every) if every else None, _medians(factors))

    def of(self, job: JobRow) -> float | None:
        """Seconds that a job will take from its begin to its end; None where nothing is known."""
        if job.kind == JobKind.TRAIN and job.expected:
            return job.expected * self._factor(job)
        return (
            self.exports.get(job.payload.get(FORM, ""), self.any_export)
            if job.kind == JobKind.EXPORT
            else None
        )

    def left(self, job: JobRow, now: datetime) -> float | None:
        """Seconds until a running job is done.

        Args:
            job: that runs.
            now: by the server's clock.

        Returns:
            What its worker thinks, as far from the truth as it was with others; else what others took. None
            where nothing is known, as of a job that takes longer than the others did, or is being cancelled.
        """
        if job.cancel:
            return None
        if (said := job.progress.get("seconds_left")) is not None:
            return max(float(said), 0.0) * self._factor(job)
        whole = self.of(job)
        if whole is None or job.started is None:
            return None
        left = whole - (now - job.started).total_seconds()
        return left if left >= 0 else None

    def _factor(self, job: JobRow) -> float:
        return self.factors.get(job.lane or Lane.SHORT, 1.0)


def form(platform: str, flavor: str | None) -> dict[str, Any]:
    """What the payload of an export says of its form, however it was asked for."""
    return {FORM: f"{platform}/{meant_flavor(platform, flavor) or ''}"}


def _others(session: Session, job: JobRow, lane: Lane) -> list[_Other]:
    """The running jobs of workers that could take this one, then the other waiting ones."""
    wanted = or_(
        and_(JobRow.state == State.RUNNING, serves(lane)),
        and_(JobRow.state == State.WAITING, JobRow.key != job.key),
    )
    rows = session.execute(
        select(JobRow, ProjectRow.name, IterationRow.training_type)
        .join(ProjectRow, ProjectRow.key == JobRow.project_key)
        .outerjoin(IterationRow, IterationRow.key == JobRow.iteration_key)
        .where(wanted)
        .order_by(JobRow.state, JobRow.key)
        .limit(_MOST)
    )
    return [_Other(*row) for row in rows]


def _ahead(
    session: Session, job: JobRow, running: Sequence[_Other], waiting: Sequence[_Other]
) -> list[_Other]:
    """The waiting jobs that are taken before this one; see `dahlia.server.jobs.order`."""
    lane = lane_of(job)
    by_key = {one.job.key: one for one in waiting}
    mates = sorted([job, *(one.job for one in waiting if lane_of(one.job) == lane)], key=lambda one: one.key)
    line = Line.read(session, lane).order(mates)
    ahead = [by_key[one.key] for one in takewhile(lambda one: one.key != job.key, line)]
    if lane is Lane.LONG and all(one.job.worker_lane == Lane.ALL for one in running):
        ahead = [one for one in waiting if lane_of(one.job) is Lane.SHORT] + ahead
    return ahead


def _start(left: Sequence[float | None], ahead: Sequence[float | None]) -> float | None:
    """When the first worker is free for a job, if each takes the next as soon as it is free itself."""
    free = [math.inf if seconds is None else seconds for seconds in left] or [0.0]
    heapq.heapify(free)
    for seconds in ahead:
        heapq.heapreplace(free, free[0] + (math.inf if seconds is None else seconds))
    return None if math.isinf(free[0]) else free[0]


def _words(
    job: JobRow,
    running: Sequence[_Other],
    left: Sequence[float | None],
    ahead: Sequence[_Other],
    *,
    names: bool,
) -> str:
    told = [
        f"{_named(one, job, names=names)} ({_duration(one, seconds)})"
        for one, seconds in zip(running, left, strict=True)
    ]
    told += [_named(one, job, names=names) for one in ahead]
    if not told:
        return "A worker that looks for jobs; that takes a few seconds."
    count = "1 job" if len(told) == 1 else f"{len(told)} jobs"
    more = f", and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    return f"{count} before it: {', '.join(told[:_NAMED])}{more}."


def _named(one: _Other, job: JobRow, *, names: bool) -> str:
    what = _NOUNS.get(JobKind(one.job.kind)) or (
        "an Advanced training" if one.training_type == TrainingType.ADVANCED else "a training"
    )
    if one.job.project_key == job.project_key:
        return f"{what} of this project"
    return f"{what} of the project {one.project!r}" if names else f"{what} of another project"


def _duration(one: _Other, seconds: float | None) -> str:
    if one.job.cancel:
        return "being cancelled"
    if seconds is None:
        return "running"
    minutes = math.ceil(seconds / 60)
    if minutes <= 1:
        return "running, less than a minute left"
    # How many epochs pay is seen only while it runs.
    how = (
        "at most" if one.training_type == TrainingType.ADVANCED and one.job.kind == JobKind.TRAIN else "about"
    )
    return f"running, {how} {minutes} min left"


def _medians(found: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(values[:_COUNTED]) for name, values in found.items()}
