"""Which workers a server starts, and in which lane a training waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dahlia.dataset.decoding_memory import machine_memory
from dahlia.server.contract.enums import TrainingType
from dahlia.server.jobs.job import Lane

if TYPE_CHECKING:
    from dahlia.settings.server_sections import JobsSection

_GIGABYTE = 1024**3
SERVER_BYTES = _GIGABYTE
"""Memory of a server with some models."""
WORKER_BYTES = 2 * _GIGABYTE
"""Memory of a worker at work: itself, its warm process, and an export or the stages of a training."""


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


def _enough(workers: int, memory: int) -> bool:
    return memory >= SERVER_BYTES + workers * WORKER_BYTES
