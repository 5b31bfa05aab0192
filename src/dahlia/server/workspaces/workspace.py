"""A workspace on the disk: its paths, its errors, and the lock that gives it to one process at a time.

The lock is held until the last process that a holder started has ended, too.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dahlia.errors import DahliaError, TrainingError

# What other projects do not have; see `dahlia.layout` for the rest.
DATA = Path("data")
IMAGES = DATA / "images"
ANNOTATIONS = DATA / "annotations.csv"
FOLDS = DATA / "folds.csv"  # in Git, where `data/dataset/folds.parquet` is not
ARRIVING = Path(".dahlia/arriving")
DVC_NOTES = Path(".dahlia/dvc")
LOG = Path(".dahlia/pipeline.log")

_PATIENCE = 15.0  # a guard needs less to end the processes of a worker that was killed
_POLL = 0.05
_mine = threading.local()


class PipelineError(TrainingError):
    """The pipeline failed.

    Args:
        message: the reason, for the user.
        output: the last lines that the pipeline printed, for the operator.
    """

    def __init__(self, message: str, *, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class Cancelled(DahliaError):  # noqa: N818 (nothing went wrong)
    """The training was ended on request."""


@contextmanager
def occupied(folder: Path, patience: float = _PATIENCE) -> Iterator[int]:
    """Hold the workspace; may be entered again by the thread that holds it.

    The lock is the system's (`flock`), on a file beside the folder, and ends with the processes that have its
    descriptor: a pipeline gets it too, so that nobody enters before the last of a killed worker's processes
    is gone. (`filelock` keeps its descriptor to itself.)

    Args:
        folder: the workspace; it need not exist.
        patience: seconds to wait for another process.

    Yields:
        The descriptor of the lock.

    Raises:
        PipelineError: another process holds it.
    """
    held: dict[Path, int] = _mine.__dict__.setdefault("held", {})
    place = folder.resolve()
    if place in held:
        yield held[place]
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place.with_name(f".{place.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _wait(descriptor, place, time.monotonic() + patience)
        held[place] = descriptor
        yield descriptor
    finally:
        held.pop(place, None)
        os.close(descriptor)


def _wait(descriptor: int, place: Path, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise PipelineError(
                    f"The workspace {place.name} is in use by another process. Wait until its training has "
                    "ended, then train again."
                ) from None
            time.sleep(_POLL)
        else:
            return
