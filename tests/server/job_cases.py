"""Projects with photos in the storage, their trainings and exports, and workers that are given what to do."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from dahlia.modeling.card import BackboneCard, InputCard, ModelCard, TagCard, TrainingCard
from dahlia.server.context import Server, open_server
from dahlia.server.contract.domains import DOMAINS
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import ExportRow, IterationRow, JobRow
from dahlia.server.jobs.job import JobKind, Lane
from dahlia.server.jobs.queue import enqueue
from dahlia.server.jobs.waiting import form
from dahlia.server.jobs.worker import Handler, run_worker
from dahlia.server.storage.names import image_key
from dahlia.settings.server import load_settings
from small_projects import COLOURS, photo

QUICK = {"DAHLIA_JOBS_WARM": "false", "DAHLIA_JOBS_POLL_SECONDS": "0.02", "DAHLIA_JOBS_LEASE_SECONDS": "2"}
COMPACT = next(domain.id for domain in DOMAINS if domain.pipeline == "general_compact")
DETECTION = next(domain.id for domain in DOMAINS if domain.pipeline == "detection_general_compact")


def opened(tmp_path: Path, database_url: str, home: str = "home", *, paired: bool = True) -> Server:
    """The server, or the same seen from another machine, which has its own home."""
    places = {
        "DAHLIA_SERVER_HOME": str(tmp_path / home),
        "DAHLIA_DATABASE_URL": database_url,
        "DAHLIA_STORAGE_URL": str(tmp_path / "files"),
        "DAHLIA_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}",
    }
    return open_server(load_settings(None, places | QUICK), paired=paired)


@dataclass(frozen=True)
class Planted:
    """A project.

    Attributes:
        key: of its row.
        id: of it.
        tags: ids by name.
    """

    key: int
    id: str
    tags: dict[str, str]


def plant(
    server: Server, *names: str, domain: str = COMPACT, classification: str | None = "Multiclass"
) -> Planted:
    """A project with these tags and without images; `Negative` is the negative one."""
    now = server.now()
    with server.database.write() as session:
        project = ProjectRow(
            id=new_id(), name="garden", description="", pipeline_name="garden-0", domain_id=domain,
            classification=classification, export_platforms=[], augmentation={}, container_uri=None,
            queue_uri=None, status="Succeeded", created=now, modified=now,
        )  # fmt: skip
        session.add(project)
        session.flush()
        tags = {}
        for name in names:
            kind = "Negative" if name == "Negative" else "Regular"
            tag = TagRow(
                id=new_id(), project_key=project.key, name=name, description="", type=kind, created=now,
                added=project.epoch, removed=None,
            )  # fmt: skip
            session.add(tag)
            tags[name] = tag.id
        return Planted(project.key, project.id, tags)


def add_photo(server: Server, project: Planted, data: bytes, *tags: str, region: str | None = None) -> str:
    """An image with tags, and one region of another; its SHA-256."""
    now, sha256 = server.now(), hashlib.sha256(data).hexdigest()
    server.storage.put(image_key(sha256, ".jpg"), data)
    with server.database.write() as session:
        epoch = session.get_one(ProjectRow, project.key).epoch
        keys = {row.id: row.key for row in session.scalars(select(TagRow))}
        image = ImageRow(
            id=new_id(), project_key=project.key, sha256=sha256, suffix=".jpg", width=64, height=48,
            size=len(data), details={}, tagged=bool(tags), created=now, added=epoch, removed=None,
        )  # fmt: skip
        session.add(image)
        session.flush()
        for tag in tags:
            key = keys[project.tags[tag]]
            session.add(ImageTagRow(image_key=image.key, tag_key=key, created=now, added=epoch, removed=None))
        if region:
            key, box = keys[project.tags[region]], {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4}
            session.add(
                RegionRow(
                    id=new_id(),
                    image_key=image.key,
                    tag_key=key,
                    created=now,
                    added=epoch,
                    removed=None,
                    **box,
                )
            )
    return sha256


def add_photos(server: Server, project: Planted, first: int = 0, **counts: int) -> None:
    """So many photos of each colour, which is their tag; `first` numbers them."""
    for tag, count in counts.items():
        for number in range(first, first + count):
            add_photo(server, project, photo(COLOURS[tag], 1000 * list(COLOURS).index(tag) + number), tag)


def order(
    server: Server,
    project: Planted,
    tags: Mapping[str, str] | None = None,
    *,
    lane: Lane = Lane.SHORT,
    expected: float | None = None,
    **values: Any,
) -> str:
    """Ask for a training; the iteration's id."""
    now = server.now()
    with server.database.write() as session:
        row = session.get_one(ProjectRow, project.key)
        number = row.iterations_made = row.iterations_made + 1
        iteration = IterationRow(
            **{
                "id": new_id(), "project_key": row.key, "number": number, "name": f"Iteration {number}",
                "status": "Training", "created": now, "modified": now, "trained": None, "epoch": row.epoch,
                "revision": row.revision, "domain_id": row.domain_id, "classification": row.classification,
                "use_negative_set": row.use_negative_set,
                "training_type": "Regular", "budget_hours": 0, "minutes": 0, "chosen_tags": [],
                "tag_ids": dict(project.tags if tags is None else tags), "base_project_id": None,
                "base_iteration_id": None, "publish_name": None, "publish_resource": None, "error": None,
                "run_id": None, "files": False,
            }
            | values
        )  # fmt: skip
        session.add(iteration)
        row.epoch += 1
        session.flush()
        enqueue(session, JobKind.TRAIN, row, iteration, lane=lane, expected=expected)
        return iteration.id


def order_export(server: Server, iteration_id: str, platform: str, flavor: str | None = None) -> str:
    """Ask for an export; its id."""
    with server.database.write() as session:
        iteration = session.scalars(select(IterationRow).where(IterationRow.id == iteration_id)).one()
        row = ExportRow(
            id=new_id(), iteration_key=iteration.key, platform=platform, flavor=flavor, status="Exporting",
            file_key=None, error=None, created=server.now(),
        )  # fmt: skip
        session.add(row)
        project = session.get_one(ProjectRow, iteration.project_key)
        enqueue(session, JobKind.EXPORT, project, iteration, {"export": row.id} | form(platform, flavor))
        return row.id


def card(*tags: str) -> ModelCard:
    """The card of a model that the pipeline could have trained."""
    return ModelCard(
        project="garden-0",
        project_id="of the pipeline",
        domain="General (compact)",
        domain_id=COMPACT,
        classification="multiclass",
        tags=tuple(TagCard(id=f"{tag} of the pipeline", name=tag) for tag in tags),
        input=InputCard(size=160),
        backbone=BackboneCard(
            architecture="tf_efficientnet_lite0", weights="package", fingerprint="f" * 64, features=4,
            mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
        ),
        temperature=1.0,
        training=TrainingCard(recipe="quick", regularisation=1.0, views=("plain",), images=10, seed=0),
        data_fingerprint="0" * 64,
        git_revision=None,
        dahlia_version="0",
    )  # fmt: skip


def iteration(server: Server, identity: str) -> IterationRow:
    """The row of an iteration, as it is now."""
    with server.database.read() as session:
        return session.scalars(select(IterationRow).where(IterationRow.id == identity)).one()


def exported(server: Server, identity: str) -> ExportRow:
    """The row of an export, as it is now."""
    with server.database.read() as session:
        return session.scalars(select(ExportRow).where(ExportRow.id == identity)).one()


def jobs(server: Server) -> list[JobRow]:
    """All jobs, the oldest first."""
    with server.database.read() as session:
        return list(session.scalars(select(JobRow).order_by(JobRow.key)))


def states(server: Server) -> list[str]:
    """The states of all jobs, the oldest first."""
    return [job.state for job in jobs(server)]


def eventually(holds: Any, seconds: float = 30.0) -> None:
    """Wait until something holds."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if holds():
            return
        pause.wait(0.02)
    raise AssertionError(f"not so after {seconds} s")


@contextmanager
def working(
    server: Server,
    handlers: Mapping[JobKind, Handler],
    worker: str | None = None,
    lane: Lane = Lane.ALL,
) -> Iterator[None]:
    """A worker in a thread, which ends with the block."""
    stop = threading.Event()
    options = {"stop": stop, "worker": worker, "lane": lane, "handlers": handlers}
    thread = threading.Thread(target=run_worker, args=(server,), kwargs=options)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
