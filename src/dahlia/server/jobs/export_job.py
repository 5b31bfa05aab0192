"""The job that exports an iteration: model and photos in a folder, where a process writes the zip."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia import layout
from dahlia.dataset.manifest import save_manifest
from dahlia.dataset.readers.sources import tags_of
from dahlia.dataset.records import ImageRecord
from dahlia.errors import ExportError
from dahlia.export.formats import Format, form_of
from dahlia.imports import require_formats
from dahlia.modeling.card import load_card
from dahlia.server.context import Server
from dahlia.server.contract.enums import ExportStatus
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import ExportRow, IterationRow, JobRow
from dahlia.server.jobs.export_process import LOG, REASON, ZIP, ExportRequest
from dahlia.server.jobs.job import EXPORT, Claimed, Interrupted
from dahlia.server.jobs.task import Task
from dahlia.server.jobs.training_data import BUNDLE, PROOF, SizedPhoto, artifact_key, proof_key, read_photos
from dahlia.server.jobs.worker_context import WorkerContext
from dahlia.server.keys.audit import record
from dahlia.server.storage.names import export_key, image_key
from dahlia.server.storage.storage import Storage
from dahlia.server.workspaces.guard import guard_command
from dahlia.server.workspaces.models import personalise
from dahlia.server.workspaces.snapshot import Photo
from dahlia.server.workspaces.workspace import IMAGES
from dahlia.warm.protocol import export_command

_POLL_SECONDS = 0.2
_KILLED = (-9, 137)
_NO_HASH = "0" * 16  # what finds near-duplicates; nobody looks for them here


@dataclass(frozen=True)
class _Export:
    project_id: str
    iteration_id: str
    tag_ids: dict[str, str]
    platform: str
    flavor: str | None
    form: Format
    photos: list[SizedPhoto]

    @property
    def key(self) -> str:
        parts = (self.iteration_id, self.platform, self.flavor, "zip")
        return export_key(self.iteration_id, ".".join(part for part in parts if part))


def export(context: WorkerContext, task: Task) -> None:
    """Write the zip of the job's export and its proof into the storage.

    Raises:
        ExportError: the format is not offered, cannot be written, or computes something else.
        DahliaError: its source is not available.
        Interrupted: the job is to stop.
        LeaseLost: another worker has the job.
    """
    server = context.server
    task.seconds = 3600 * server.settings.jobs.training_timeout_hours
    task.report("photos", 0.0)
    wanted = _read(server, task.claimed)
    folder = context.scratch(task.claimed.id)
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was killed
    try:
        _lay_out(context, wanted, folder)
        task.report("export", 0.2)
        _run(context, task, folder)
        task.report("store", 0.9)
        server.storage.put_file(proof_key(wanted.key), (folder / ZIP).with_suffix(PROOF))
        server.storage.put_file(wanted.key, folder / ZIP)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    task.complete(lambda session, job: _complete(server, session, job, wanted))


def lay_out_photos(
    storage: Storage, photos: Sequence[SizedPhoto], bundle: Path, folder: Path, *, calibrates: bool
) -> None:
    """Bring the photos that an export needs, and the manifest of them.

    Args:
        storage: has the photos.
        photos: all of the iteration.
        bundle: the trained model, which says of some photos what it answers.
        folder: the project folder to be.
        calibrates: whether the format also learns the ranges of its numbers from photos.

    A detector's photos have their regions: lossy formats are judged by what people drew.

    Raises:
        StorageError: a photo is missing, or cannot be written.
        DatasetError: the bundle's answers cannot be read.
    """
    from dahlia.export.proofs import PROOFS
    from dahlia.export.verify import CALIBRATION_PHOTOS, one_of_each_in_turn

    asked = set(PROOFS[load_card(bundle).kind].reference(bundle).ids)
    chosen = {one.photo.sha256: one for one in photos if one.photo.sha256 in asked}
    if calibrates:
        in_turn = one_of_each_in_turn(_by_tag(photos), lambda one: one.photo.sha256)
        chosen |= {one.photo.sha256: one for one in in_turn[:CALIBRATION_PHOTOS]}
    files = [one.photo for one in chosen.values()]
    storage.fetch_many({image_key(file.sha256, file.suffix): folder / IMAGES / file.name for file in files})
    save_manifest(folder / layout.MANIFEST, [_record(one) for one in chosen.values()])


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
            photos=read_photos(session, iteration),
        )


def _lay_out(context: WorkerContext, wanted: _Export, folder: Path) -> None:
    storage = context.server.storage
    trained, bundle = folder / "trained", folder / layout.BUNDLE
    storage.fetch_folder(artifact_key(wanted.iteration_id, BUNDLE), trained)
    personalise(trained, bundle, project_id=wanted.project_id, tag_ids=wanted.tag_ids)
    shutil.rmtree(trained)
    lay_out_photos(storage, wanted.photos, bundle, folder, calibrates=wanted.form.precision == "int8")
    # Graphs that the pipeline has converted are not converted again.
    cache = context.workspace(wanted.project_id) / layout.GRAPH_CACHE
    ExportRequest(wanted.platform, wanted.flavor, wanted.iteration_id, str(cache)).save(folder)


def _run(context: WorkerContext, task: Task, folder: Path) -> None:
    variables = context.environment()
    context.wait_until_warm(task.check)
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


def _by_tag(photos: Sequence[SizedPhoto]) -> Iterable[list[SizedPhoto]]:
    by_tag: dict[str, list[SizedPhoto]] = defaultdict(list)
    for one in photos:
        for tag in _tags(one.photo):
            by_tag[tag].append(one)
    return by_tag.values()


def _tags(photo: Photo) -> tuple[str, ...]:
    return tuple(sorted(tags_of(photo.tags, photo.regions)))


def _record(sized: SizedPhoto) -> ImageRecord:
    photo = sized.photo
    return ImageRecord(
        id=photo.sha256,
        path=(IMAGES / photo.name).as_posix(),
        width=sized.width,
        height=sized.height,
        tags=_tags(photo),
        regions=photo.regions,
        subset="train",
        source="server",
        phash=_NO_HASH,
    )
