"""The words in which jobs are spoken of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dahlia.errors import DahliaError


class Kind(StrEnum):
    """What a job does."""

    TRAIN = "train"
    EXPORT = "export"
    IMPORT = "import"


class Lane(StrEnum):
    """Which jobs a job waits among, and which of them a worker takes: `ALL` is of workers alone."""

    SHORT = "short"
    LONG = "long"
    ALL = "all"

    @property
    def parts(self) -> tuple[Lane, ...]:
        """The lanes of jobs that a worker of this lane takes, in the order in which it prefers them."""
        return (Lane.SHORT, Lane.LONG) if self is Lane.ALL else (self,)


class State(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Orders(StrEnum):
    """What a worker is to do with the job it has."""

    GO_ON = "go on"
    CANCEL = "cancel"
    LOST = "lost"


class LeaseLost(DahliaError):  # noqa: N818
    """A job that its worker does not have any more: taken over by another, or deleted."""

    def __init__(self, identity: str) -> None:
        super().__init__(
            f"The job {identity} was expected to be this worker's, and no longer is: another has taken it "
            "over, or it was deleted. The work done here is discarded."
        )


class Interrupted(DahliaError):  # noqa: N818
    """A job that is to stop before it is done."""


@dataclass(frozen=True)
class Claimed:
    """A job in a worker's hands.

    Attributes:
        key: of its row.
        id: of its row.
        kind: what it does.
        lane: short or long.
        worker: who has it.
        attempt: which one this is, from 1.
        project_key: of its project.
        iteration_key: of its iteration, if it has one.
        payload: what the kind needs to know.
    """

    key: int
    id: str
    kind: str
    lane: Lane
    worker: str
    attempt: int
    project_key: int
    iteration_key: int | None
    payload: dict[str, Any]
