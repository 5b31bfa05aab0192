"""Whether anybody takes the jobs of a lane, as far as the jobs themselves tell."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from dahlia.server.context import Server
from dahlia.server.database.work_tables import JobRow
from dahlia.server.jobs.order import in_lane
from dahlia.server.jobs.records import Lane, State

_PATIENCE = 10.0  # seconds; an idle worker takes a job as soon as it looks
_LOOKS = 2


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
