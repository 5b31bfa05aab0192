"""The job that trains an iteration: the pipeline in the project's workspace, its files, one transaction.

The Git history comes from the storage before, and goes back after, so that any machine can continue it.
"""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from dahlia import layout
from dahlia.server.context import Server
from dahlia.server.contract.enums import IterationStatus
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.jobs.job import Claimed, Interrupted, Lane
from dahlia.server.jobs.task import Task
from dahlia.server.jobs.training_data import (
    BUNDLE,
    EVALUATION,
    PAGE,
    PREDICTIONS,
    SERVABLE,
    VALIDATION,
    VALIDATION_PAGE,
    artifact_key,
    read_snapshot,
)
from dahlia.server.jobs.worker_context import WorkerContext
from dahlia.server.keys.audit import record
from dahlia.server.rescue.records import IMAGES_TABLE, RECORD, write_record
from dahlia.server.storage.names import history_key, image_key
from dahlia.server.storage.storage import NotThere
from dahlia.server.workspaces.laying import lay_out
from dahlia.server.workspaces.models import Outcome, collect, personalise, start_from
from dahlia.server.workspaces.progress import Progress
from dahlia.server.workspaces.running import run_pipeline
from dahlia.server.workspaces.snapshot import Photo, Snapshot
from dahlia.server.workspaces.workspace import (
    PipelineError,
    commit,
    git,
    head,
    occupied,
    restore_history,
    save_history,
)

_PIPELINE_SHARE = 0.97  # of a training's time; the rest brings photos in and files out
_POLL_SECONDS = 0.5
_logger = logging.getLogger("dahlia.worker")
_BUNDLE = "history.bundle"


@dataclass(frozen=True)
class _Training:
    project_id: str
    iteration_id: str
    name: str
    snapshot: Snapshot
    tag_ids: dict[str, str]
    base: str | None
    budget_hours: int


def train(context: WorkerContext, task: Task) -> None:
    """Train the job's iteration; after a kill it resumes from what was done.

    Raises:
        DahliaError: it cannot be trained; the text tells the user why.
        Interrupted: the job is to stop.
        Cancelled: the same, while the pipeline ran.
        LeaseLost: another worker has the job.
    """
    server = context.server
    task.report("photos", 0.0)
    training = _read(server, task.claimed)
    task.seconds = 3600 * max(server.settings.jobs.training_timeout_hours, training.budget_hours + 1)
    folder = context.workspace(training.project_id)
    with _held_workspace(folder, task):
        bring_history(server, training.project_id, folder)
        task.check()
        _prepare(context, training, folder)
        outcome = _run(context, task, folder)
        _store(server, task, training, outcome, folder)
        task.check()
        commit(folder, f"{training.name}\n\nIteration {training.iteration_id}\n")
        keep_history(server, training.project_id, folder)
    minutes = _minutes(task)
    task.complete(lambda session, job: _complete(server, session, job, training, outcome.run_id, minutes))


def bring_history(server: Server, project_id: str, folder: Path) -> None:
    """Bring a workspace to the last commit that is stored, unless it has it.

    It lacks it where the project was trained on another machine since.

    Raises:
        DahliaError: storage or workspace cannot be read or written.
    """
    try:
        stored = _stored_commit(server, project_id)
    except NotThere:
        return
    if stored and _knows(folder, stored):
        return
    with tempfile.TemporaryDirectory(prefix="history-", dir=_beside(folder)) as name:
        bundle = Path(name) / _BUNDLE
        server.storage.fetch(history_key(project_id), bundle)
        restore_history(bundle, folder)


def keep_history(server: Server, project_id: str, folder: Path) -> None:
    """Store a workspace's commits, if the storage has not got the last.

    Raises:
        DahliaError: storage or workspace cannot be read or written.
    """
    try:
        if _stored_commit(server, project_id) == head(folder):
            return
    except NotThere:
        pass
    with tempfile.TemporaryDirectory(prefix="history-", dir=_beside(folder)) as name:
        bundle = Path(name) / _BUNDLE
        save_history(folder, bundle)
        server.storage.put_file(history_key(project_id), bundle)


def _read(server: Server, claimed: Claimed) -> _Training:
    with server.database.read() as session:
        iteration = session.get(IterationRow, claimed.iteration_key) if claimed.iteration_key else None
        if iteration is None:
            raise Interrupted(f"The iteration of the job {claimed.id} was deleted.")
        project = session.get_one(ProjectRow, iteration.project_key)
        snapshot = read_snapshot(session, project, iteration)
        return _Training(
            project_id=project.id,
            iteration_id=iteration.id,
            name=iteration.name,
            snapshot=snapshot,
            tag_ids=iteration.tag_ids,
            base=iteration.base_iteration_id,
            budget_hours=iteration.budget_hours,
        )


@contextmanager
def _held_workspace(folder: Path, task: Task) -> Iterator[None]:
    """Wait for the workspace: a worker that lost its lease may not have noticed yet."""
    with ExitStack() as held:
        while True:
            task.check()
            try:
                held.enter_context(occupied(folder, _POLL_SECONDS))
                break
            except PipelineError:
                continue
        yield


def _prepare(context: WorkerContext, training: _Training, folder: Path) -> None:
    storage = context.server.storage

    def fetch(photo: Photo, path: Path) -> None:
        storage.fetch(image_key(photo.sha256, photo.suffix), path)

    lay_out(folder, training.snapshot, fetch, graphs=context.graphs)
    if training.base:
        with tempfile.TemporaryDirectory(prefix="base-", dir=folder / ".dahlia") as name:
            bundle = Path(name) / BUNDLE
            storage.fetch_folder(artifact_key(training.base, BUNDLE), bundle)
            start_from(folder, bundle, training.base)


def _run(context: WorkerContext, task: Task, folder: Path) -> Outcome:
    def follow(progress: Progress) -> None:
        task.report(progress.stage or "pipeline", _PIPELINE_SHARE * progress.fraction, progress.seconds_left)

    is_long = task.claimed.lane is Lane.LONG
    niceness = context.server.settings.jobs.long_niceness if is_long else 0
    # A process of another priority cannot be forked from the warm one.
    environment = context.cold_environment if niceness else context.environment()
    if not niceness:
        context.wait_until_warm(task.check)
    try:
        run_pipeline(
            folder, environment=environment, watch=follow, cancelled=task.must_stop, niceness=niceness
        )
    except PipelineError as error:
        _logger.warning("The pipeline of job %s said:\n%s", task.claimed.id, error.output)
        raise
    return collect(folder)


def _store(server: Server, task: Task, training: _Training, outcome: Outcome, folder: Path) -> None:
    task.report("store", _PIPELINE_SHARE, 1.0)
    task.check()
    storage, identity = server.storage, training.iteration_id
    with tempfile.TemporaryDirectory(prefix="out-", dir=folder / ".dahlia") as name:
        servable = Path(name) / SERVABLE
        personalise(outcome.servable, servable, project_id=training.project_id, tag_ids=training.tag_ids)
        if (outcome.bundle / layout.PHOTOS).exists():
            shutil.copyfile(outcome.bundle / layout.PHOTOS, servable / layout.PHOTOS)
        storage.put_folder(artifact_key(identity, BUNDLE), outcome.bundle)
        storage.put_folder(artifact_key(identity, SERVABLE), servable)
        files = {
            PREDICTIONS: outcome.predictions,
            EVALUATION: outcome.evaluation,
            PAGE: outcome.report,
            VALIDATION: outcome.validation,
            VALIDATION_PAGE: outcome.validation_report,
        }
        _record(server, task, outcome, Path(name))
        files |= {
            part: Path(name) / part for part in (IMAGES_TABLE, RECORD)
        }  # the record says that all is there
        for key, path in files.items():
            storage.put_file(artifact_key(identity, key), path)


def _record(server: Server, task: Task, outcome: Outcome, folder: Path) -> None:
    with server.database.read() as session:
        iteration = session.get(IterationRow, task.claimed.iteration_key)
        if iteration is None:
            raise Interrupted(f"The iteration of the job {task.claimed.id} was deleted.")
        project = session.get_one(ProjectRow, iteration.project_key)
        write_record(
            folder,
            session,
            project,
            iteration,
            trained=server.now(),
            minutes=_minutes(task),
            run_id=outcome.run_id,
        )


def _minutes(task: Task) -> int:
    return max(1, math.ceil(task.elapsed / 60))


def _complete(
    server: Server, session: Session, job: JobRow, training: _Training, run_id: str, minutes: int
) -> None:
    row = session.get_one(IterationRow, job.iteration_key)
    now = server.now()
    row.status, row.trained, row.modified = IterationStatus.COMPLETED, now, now
    row.minutes, row.run_id, row.files, row.error = minutes, run_id, True, None
    record(session, server, None, "complete_training", training.project_id, iteration=training.iteration_id)


def _stored_commit(server: Server, project_id: str) -> str | None:
    """The commit of the branch in the stored bundle, whose first lines name its references."""
    with server.storage.open(history_key(project_id)) as file:
        file.readline()  # the format's version
        for line in iter(file.readline, b"\n"):
            commit, _, reference = line.decode().strip().partition(" ")
            if reference == "HEAD":
                return commit
            if not line:
                break
    return None


def _knows(folder: Path, commit: str) -> bool:
    if head(folder) is None:
        return False
    return git(folder, "cat-file", "--batch-check", text=commit + "\n").split()[1:2] == ["commit"]


def _beside(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.parent
