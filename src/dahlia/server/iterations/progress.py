"""How far a training is: what the original does not tell."""

from __future__ import annotations

import math

from pydantic import Field
from sqlalchemy.orm import Session

from dahlia.server.contract.enums import IterationStatus
from dahlia.server.contract.fields import Answer
from dahlia.server.jobs.queue import job_of
from dahlia.server.jobs.records import State
from dahlia.server.store.work_tables import IterationRow

SECONDS_LEFT = "dahlia-seconds-left"
STAGE = "dahlia-stage"
WAITING = "waiting"
CANCELLING = "cancelling"


class Progress(Answer):
    """How far a training is."""

    iteration_id: str
    status: str = Field(description="Training, Completed or Failed, as in the iteration")
    stage: str | None = Field(
        description="waiting, a stage of the pipeline, or cancelling; null where it has ended"
    )
    share: float = Field(description="0 to 1 of the time that it is thought to take")
    seconds_left: int | None = Field(description="null where it cannot be told")
    error: str | None


def progress_of(session: Session, row: IterationRow) -> Progress:
    """How far an iteration's training is, as its worker said last."""
    job = job_of(session, row) if row.status == IterationStatus.TRAINING else None
    ended = 1.0 if row.status == IterationStatus.COMPLETED else 0.0
    said = job.progress if job else {}
    left = said.get("seconds_left")
    stage = None
    if job is not None:
        stage = WAITING if job.state == State.WAITING else said.get("stage") or WAITING
        stage = CANCELLING if job.cancel else stage
    return Progress(
        iteration_id=row.id,
        status=row.status,
        stage=stage,
        share=min(max(float(said.get("fraction", ended)), 0.0), 1.0),
        seconds_left=None if left is None else max(math.ceil(left), 0),
        error=row.error,
    )


def headers_of(progress: Progress) -> dict[str, str]:
    """The headers that tell it; none where no training is under way."""
    found = {STAGE: progress.stage, SECONDS_LEFT: progress.seconds_left}
    return {name: str(value) for name, value in found.items() if value is not None}
