"""The worker: takes jobs, one at a time, and sees to it that each ends.

It stays light itself: what needs torch, TensorFlow or MLflow is a process of its own.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from sqlalchemy.orm import Session

from dahlia.errors import DahliaError
from dahlia.server.background import FaultLog
from dahlia.server.context import Server
from dahlia.server.database.errors import DatabaseError
from dahlia.server.database.work_tables import JobRow
from dahlia.server.jobs.export_job import export
from dahlia.server.jobs.job import CANCELLED, Claimed, Interrupted, JobKind, Lane, LeaseLost, State, end_badly
from dahlia.server.jobs.leases import Presence, WatchThread, give_back, new_worker_id, release_the_dead
from dahlia.server.jobs.order import Turns
from dahlia.server.jobs.queue import claim
from dahlia.server.jobs.reasons import without_folders
from dahlia.server.jobs.task import Reason, Task
from dahlia.server.jobs.training_job import train
from dahlia.server.jobs.worker_context import WorkerContext, limit_worker
from dahlia.server.workspaces.workspace import Cancelled

_BEATS_IN_A_LEASE = 5
_SLOWEST_BEAT = 1.0  # seconds, after which a worker hears that its job was cancelled
_GRACE_SECONDS = 20.0
_TIDY_SECONDS = 300.0
_logger = logging.getLogger("dahlia.worker")

Handler = Callable[[WorkerContext, Task], None]


def import_project(context: WorkerContext, task: Task) -> None:
    """Fill a project from another; see `dahlia.server.projects.copying`.

    Raises:
        DahliaError: it cannot be copied.
        Interrupted: the job is to stop.
        LeaseLost: another worker has it.
    """
    from dahlia.server.projects.copying import run_import

    task.report("import", 0.0)
    run_import(context.server, task.claimed.payload, task.check)
    task.complete(lambda session, job: None)


HANDLERS: Mapping[JobKind, Handler] = {
    JobKind.TRAIN: train,
    JobKind.EXPORT: export,
    JobKind.IMPORT: import_project,
}


def work(
    server: Server,
    *,
    attached: bool = False,
    lane: Lane = Lane.ALL,
    handlers: Mapping[JobKind, Handler] = HANDLERS,
) -> None:
    """Do jobs until a signal ends it: `dahlia worker`. What it was doing then waits for the next worker.

    Args:
        server: whose jobs.
        lane: which of them.
        attached: whether to end when the standard input does, that is with the process that holds it.
        handlers: what it can do.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    limit_worker(server.settings)
    stop = threading.Event()
    if attached:
        threading.Thread(target=_follow_input, args=(stop,), daemon=True).start()
    with _ended_by_signals(stop):
        run_worker(server, stop=stop, lane=lane, handlers=handlers)


def run_worker(
    server: Server,
    *,
    stop: threading.Event,
    worker: str | None = None,
    lane: Lane = Lane.ALL,
    handlers: Mapping[JobKind, Handler] = HANDLERS,
) -> None:
    """Do jobs until `stop` is set.

    Args:
        server: whose jobs.
        stop: ends it; what it does then goes back to the queue.
        worker: its name; default: one that no other has.
        lane: which jobs it takes.
        handlers: what it can do.
    """
    name = worker or new_worker_id()
    _logger.info("The worker %s begins; it takes %s jobs.", name, lane)
    _take_from_the_dead(server)
    watching = WatchThread(server)
    watching.start()
    turns = Turns(tuple(handlers), lane)
    presence = Presence(server, name, lane)
    with WorkerContext(server, stop, keeps_warm=lane is not Lane.LONG) as context:
        tidied = time.monotonic()
        faults = FaultLog(_logger)
        while not stop.is_set():
            presence.say()
            claimed = _next(server, name, turns, faults)
            if claimed is not None:
                _carry_out(context, claimed, handlers[JobKind(claimed.kind)])
                turns.ended()
            elif time.monotonic() - tidied < _TIDY_SECONDS:
                stop.wait(server.settings.jobs.poll_seconds)
            else:
                _tidy(context)
                tidied = time.monotonic()
    watching.stop()
    presence.leave()
    _logger.info("The worker %s ends.", name)


def _take_from_the_dead(server: Server) -> None:
    try:
        if taken := release_the_dead(server.database):
            _logger.warning("Jobs of workers of this machine that are gone wait again: %d.", taken)
    except DatabaseError as error:
        _logger.warning("Jobs of workers that are gone are taken over when their lease ends. %s", error)


def _next(server: Server, name: str, turns: Turns, faults: FaultLog) -> Claimed | None:
    try:
        claimed = claim(server.database, name, turns)
    except DatabaseError as error:
        faults.log(f"No job can be taken now. {error}")
        return None
    faults.forget()
    return claimed


def _carry_out(context: WorkerContext, claimed: Claimed, handler: Handler) -> None:
    _logger.info("Job %s (%s, attempt %d) begins.", claimed.id, claimed.kind, claimed.attempt)
    pause = min(_SLOWEST_BEAT, context.server.settings.jobs.lease_seconds / _BEATS_IN_A_LEASE)
    with Task(context.server.database, claimed, context.stop, pause) as task:
        try:
            _attempt(context, task, handler)
        except LeaseLost as error:
            _logger.warning("%s", error)
        except DatabaseError as error:
            _logger.warning("Job %s remains for another worker. %s", claimed.id, error)
        else:
            _logger.info("Job %s has ended after %.1f s.", claimed.id, task.elapsed)
    _tidy(context)


def _tidy(context: WorkerContext) -> None:
    try:
        context.tidy()
    except DatabaseError:
        return  # the next time will do


def _attempt(context: WorkerContext, task: Task, handler: Handler) -> None:
    try:
        handler(context, task)
    except (LeaseLost, DatabaseError):
        raise
    except (Interrupted, Cancelled):
        _stop(context, task)
    except DahliaError as error:
        _fail(context, task, str(error))
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        _fail(
            context,
            task,
            f"The worker's disk or network failed: {error.strerror or error}{place}. See that it has space "
            "and may be written, then start it again.",
        )


def _stop(context: WorkerContext, task: Task) -> None:
    reason = task.reason or Reason.CANCELLED
    _logger.info("Job %s stops: %s.", task.claimed.id, reason)
    if reason is Reason.LOST:
        raise LeaseLost(task.claimed.id)
    if reason is Reason.STOPPED:
        task.settle(give_back)
    elif reason is Reason.CANCELLED:
        task.settle(partial(_end_badly, context.server, CANCELLED, State.CANCELLED))
    else:
        _fail(
            context,
            task,
            f"It took longer than {(task.seconds or 0) / 3600:g} hours and was ended. Use fewer photos, or "
            "allow more in the server's settings (jobs.training_timeout_hours), then start it again.",
        )


def _fail(context: WorkerContext, task: Task, reason: str) -> None:
    _logger.warning("Job %s failed. %s", task.claimed.id, reason)
    told = without_folders(reason, context.server.settings.server.home)
    task.settle(partial(_end_badly, context.server, told, State.FAILED))


def _end_badly(server: Server, reason: str, state: State, session: Session, job: JobRow) -> None:
    # Who cancelled it while it failed reads that it was cancelled.
    if job.cancel:
        reason, state = CANCELLED, State.CANCELLED
    end_badly(session, job, reason, server.now(), state)


def _follow_input(stop: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    stop.set()
    # Nothing else would end a worker that hangs.
    threading.Event().wait(_GRACE_SECONDS)
    os._exit(1)


def _follow_signals(reading: int, stop: threading.Event) -> None:
    os.read(reading, 1)
    stop.set()


@contextmanager
def _ended_by_signals(stop: threading.Event) -> Iterator[None]:
    # A handler that set the event itself could interrupt, in this very thread, who holds the event's lock.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: None)
    threading.Thread(target=_follow_signals, args=(reading, stop), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
