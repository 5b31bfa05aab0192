"""What a waiting job waits for: the jobs before it and for how long, or a worker that takes its lane."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from dahlia.server.context import Server
from dahlia.server.contract.enums import TrainingType
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.jobs.durations import Durations
from dahlia.server.jobs.job import JobKind, Lane, State
from dahlia.server.jobs.order import Line, in_lane
from dahlia.server.jobs.queue import lane_of

_MOST = 2000  # waiting jobs that are looked at
_NAMED = 3
_NOUNS = {JobKind.EXPORT: "an export", JobKind.IMPORT: "an import"}
_PATIENCE = 10.0  # seconds; an idle worker takes a job as soon as it looks
_LOOKS = 2


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
