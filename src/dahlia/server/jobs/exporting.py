"""The job that exports an iteration: model and photos on a bench, where a process writes the zip."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia import layout
from dahlia.errors import ExportError
from dahlia.export.formats import Format
from dahlia.extras import require_formats
from dahlia.server.context import Server
from dahlia.server.contract.enums import ExportStatus
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import ExportRow, IterationRow, JobRow
from dahlia.server.jobs.album import lay_album
from dahlia.server.jobs.artefacts import BUNDLE, PROOF, artefact_key, proof_key
from dahlia.server.jobs.endings import EXPORT
from dahlia.server.jobs.export_process import LOG, REASON, ZIP, Order
from dahlia.server.jobs.platforms import form_of
from dahlia.server.jobs.records import Claimed, Interrupted
from dahlia.server.jobs.snapshots import Sitter, read_sitters
from dahlia.server.jobs.task import Task
from dahlia.server.jobs.workshop import Workshop
from dahlia.server.keys.audit import record
from dahlia.server.storage.names import export_key
from dahlia.server.workspaces import personalise
from dahlia.server.workspaces.guard import guard_command
from dahlia.warm.commands import export_command

_POLL_SECONDS = 0.2
_KILLED = (-9, 137)


@dataclass(frozen=True)
class _Export:
    project_id: str
    iteration_id: str
    tag_ids: dict[str, str]
    platform: str
    flavor: str | None
    form: Format
    sitters: list[Sitter]

    @property
    def key(self) -> str:
        parts = (self.iteration_id, self.platform, self.flavor, "zip")
        return export_key(self.iteration_id, ".".join(part for part in parts if part))


def export(shop: Workshop, task: Task) -> None:
    """Write the zip of the job's export and its proof into the storage.

    Raises:
        ExportError: the format is not offered, cannot be written, or computes something else.
        DahliaError: its source is not available.
        Interrupted: the job is to stop.
        LeaseLost: another worker has the job.
    """
    server = shop.server
    task.seconds = 3600 * server.settings.jobs.training_timeout_hours
    task.report("photos", 0.0)
    wanted = _read(server, task.claimed)
    folder = shop.bench(task.claimed.id)
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was killed
    try:
        _lay_out(shop, wanted, folder)
        task.report("export", 0.2)
        _run(shop, task, folder)
        task.report("store", 0.9)
        server.storage.put_file(proof_key(wanted.key), (folder / ZIP).with_suffix(PROOF))
        server.storage.put_file(wanted.key, folder / ZIP)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    task.complete(lambda session, job: _complete(server, session, job, wanted))


def _read(server: Server, claimed: Claimed) -> _Export:
    with server.database.read() as session:
        row = session.scalar(select(ExportRow).where(ExportRow.id == claimed.payload[EXPORT]))
        if row is None:
            raise Interrupted(f"The export of the job {claimed.id} was deleted.")
        form = form_of(row.platform, row.flavor)
        if form is None:
            raise ExportError(
                f"{row.platform} with the flavor {row.flavor} is not offered here. Choose another platform."
            )
        require_formats([form.name], ExportError)
        iteration = session.get_one(IterationRow, row.iteration_key)
        return _Export(
            project_id=session.get_one(ProjectRow, iteration.project_key).id,
            iteration_id=iteration.id,
            tag_ids=iteration.tag_ids,
            platform=row.platform,
            flavor=row.flavor,
            form=form,
            sitters=read_sitters(session, iteration),
        )


def _lay_out(shop: Workshop, wanted: _Export, folder: Path) -> None:
    storage = shop.server.storage
    trained, bundle = folder / "trained", folder / layout.BUNDLE
    storage.fetch_folder(artefact_key(wanted.iteration_id, BUNDLE), trained)
    personalise(trained, bundle, project_id=wanted.project_id, tag_ids=wanted.tag_ids)
    shutil.rmtree(trained)
    lay_album(storage, wanted.sitters, bundle, folder, calibrates=wanted.form.precision == "int8")
    # Graphs that the pipeline has converted are not converted again.
    cache = shop.workspace(wanted.project_id) / layout.GRAPH_CACHE
    Order(wanted.platform, wanted.flavor, wanted.iteration_id, str(cache)).save(folder)


def _run(shop: Workshop, task: Task, folder: Path) -> None:
    variables = shop.environment()
    shop.wait_until_warm(task.check)
    task.check()
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            [*guard_command(), *export_command(), str(folder)],
            env=os.environ | variables,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while not _ended(process):
                task.check()
        finally:
            assert process.stdin is not None
            process.stdin.close()  # its guard ends what has not ended
            process.wait()
    if process.returncode != 0:
        raise ExportError(_reason(folder, process.returncode))


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _reason(folder: Path, code: int) -> str:
    if (folder / REASON).exists():
        return (folder / REASON).read_text(encoding="utf-8").replace(f"{folder}/", "")
    if code in _KILLED:
        return (
            "The export was ended by the system, which happens where memory runs out. Give the worker more "
            "memory, or let fewer jobs run at once, then export again."
        )
    said = (folder / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(said) if line.strip()), "it printed nothing")
    return f"The export failed unexpectedly ({last.strip()}). Export again; if it fails again, report it."


def _complete(server: Server, session: Session, job: JobRow, wanted: _Export) -> None:
    row = session.scalar(select(ExportRow).where(ExportRow.id == job.payload[EXPORT]))
    if row is None:
        raise Interrupted(f"The export of the job {job.id} was deleted.")
    row.status, row.file_key, row.error = ExportStatus.DONE, wanted.key, None
    record(
        session, server, None, "complete_export", wanted.project_id,
        iteration=wanted.iteration_id, platform=wanted.platform, flavor=wanted.flavor,
    )  # fmt: skip
