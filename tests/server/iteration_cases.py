"""Projects with rows as uploads and workers would leave them, without files and pipelines."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import select

from dahlia.modeling.box_predictions import BoxPredictions, save_box_predictions
from dahlia.modeling.predictions import ClassPredictions, save_predictions
from dahlia.server.context import Server
from dahlia.server.contract.domains import DOMAINS
from dahlia.server.contract.enums import DomainType, IterationStatus
from dahlia.server.database.changes import changed
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.jobs.job import State
from dahlia.server.jobs.training_data import PREDICTIONS, artifact_key

UNKNOWN = "00000000-0000-4000-8000-000000000000"
_numbers = itertools.count()


@dataclass(frozen=True)
class Case:
    """A project.

    Attributes:
        id: of it.
        path: below the API's base.
        tags: ids by name.
        images: (id, sha256) by tag name, in the order of upload.
    """

    id: str
    tags: dict[str, str]
    images: dict[str, list[tuple[str, str]]]

    @property
    def path(self) -> str:
        return f"/projects/{self.id}"

    def iteration(self, identity: str) -> str:
        return f"{self.path}/iterations/{identity}"


def domain_id(name: str, kind: DomainType = DomainType.CLASSIFICATION) -> str:
    """The id of a domain by its name."""
    return next(domain.id for domain in DOMAINS if (domain.name, domain.type) == (name, kind))


def new_project(
    server: Server,
    tags: Mapping[str, int] | None = None,
    *,
    domain: str | None = None,
    classification: str | None = "Multiclass",
    types: Mapping[str, str] | None = None,
) -> Case:
    """A project whose tags have so many images each."""
    with server.database.write() as session:
        project = ProjectRow(
            id=new_id(), name="p", description="", pipeline_name="p",
            domain_id=domain or domain_id("General"), classification=classification, export_platforms=[],
            augmentation={}, container_uri=None, queue_uri=None, status="Succeeded", created=server.now(),
            modified=server.now(), epoch=1, revision=1, iterations_made=0,
        )  # fmt: skip
        session.add(project)
        identity = project.id
    case = Case(identity, {}, {})
    for name, images in ({"a": 5, "b": 5} if tags is None else tags).items():
        add_tag(server, case, name, (types or {}).get(name, "Regular"))
        add_images(server, case, name, images)
    return case


def add_tag(server: Server, case: Case, name: str, kind: str = "Regular") -> None:
    """A tag without images."""
    with server.database.write() as session:
        project = changed(session, case.id, server.now())
        tag = TagRow(
            id=new_id(), project_key=project.key, name=name, description="", type=kind, created=server.now(),
            added=project.epoch, removed=None,
        )  # fmt: skip
        session.add(tag)
        case.tags[name], case.images[name] = tag.id, []


def add_images(server: Server, case: Case, name: str, count: int) -> None:
    """Images with a tag."""
    with server.database.write() as session:
        project = changed(session, case.id, server.now())
        tag = session.scalars(select(TagRow).where(TagRow.id == case.tags[name])).one()
        for _ in range(count):
            sha256 = hashlib.sha256(str(next(_numbers)).encode()).hexdigest()
            image = ImageRow(
                id=new_id(), project_key=project.key, sha256=sha256, suffix=".jpg", width=64, height=48,
                size=1000, details={}, tagged=True, created=server.now(), added=project.epoch, removed=None,
            )  # fmt: skip
            session.add(image)
            session.flush()
            session.add(
                ImageTagRow(
                    image_key=image.key,
                    tag_key=tag.key,
                    created=server.now(),
                    added=project.epoch,
                    removed=None,
                )
            )
            case.images[name].append((image.id, sha256))


def draw(server: Server, case: Case, name: str, images: Sequence[str]) -> None:
    """Regions of a tag, one on each of these images, which get the tag where they lack it."""
    with server.database.write() as session:
        project = changed(session, case.id, server.now())
        tag = session.scalars(select(TagRow).where(TagRow.id == case.tags[name])).one()
        common = {"created": server.now(), "added": project.epoch, "removed": None}
        for place, identity in enumerate(images):
            image = session.scalars(select(ImageRow).where(ImageRow.id == identity)).one()
            pair = {"image_key": image.key, "tag_key": tag.key}
            if session.scalars(select(ImageTagRow).filter_by(**pair, removed=None)).first() is None:
                session.add(ImageTagRow(**pair, **common))
            box = {"left": 0.01 * place, "top": 0.2, "width": 0.25, "height": 0.5}
            session.add(RegionRow(id=new_id(), **pair, **box, **common))


def remove_image(server: Server, case: Case, image_id: str) -> None:
    """Take an image out of the workspace; no training has seen it where it goes at once."""
    with server.database.write() as session:
        project = changed(session, case.id, server.now())
        image = session.scalars(select(ImageRow).where(ImageRow.id == image_id)).one()
        tags = session.scalars(select(ImageTagRow).where(ImageTagRow.image_key == image.key)).all()
        for row in (image, *tags):
            row.removed = project.epoch


def complete(
    server: Server, iteration_id: str, predictions: ClassPredictions | BoxPredictions | None = None
) -> None:
    """What a worker does when a training has gone well."""
    if predictions is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / PREDICTIONS
            if isinstance(predictions, BoxPredictions):
                save_box_predictions(path, predictions)
            else:
                save_predictions(path, predictions)
            server.storage.put_file(artifact_key(iteration_id, PREDICTIONS), path)
    with server.database.write() as session:
        row = session.scalars(select(IterationRow).where(IterationRow.id == iteration_id)).one()
        job = session.scalars(select(JobRow).where(JobRow.iteration_key == row.key)).one()
        row.status, row.trained, row.minutes, row.files = IterationStatus.COMPLETED, server.now(), 1, True
        job.state = State.DONE


def set_job(server: Server, case: Case, **values: object) -> None:
    """Change the newest job of a project."""
    with server.database.write() as session:
        project = session.scalars(select(ProjectRow).where(ProjectRow.id == case.id)).one()
        jobs = select(JobRow).where(JobRow.project_key == project.key).order_by(JobRow.key.desc())
        job = session.scalars(jobs.limit(1)).one()
        for name, value in values.items():
            setattr(job, name, value)


def held_out(case: Case, tags: Sequence[str], sure: float = 0.9, *, wrong: int = 0) -> ClassPredictions:
    """Predictions that give each image its own tag with the probability `sure`; the first `wrong` "
    "another's."""
    images = [(sha256, place) for place, tag in enumerate(tags) for _, sha256 in case.images[tag]]
    size = (len(images), len(tags))
    probabilities = np.full(size, (1 - sure) / (len(tags) - 1))
    truth = np.zeros(size, bool)
    for row, (_, place) in enumerate(images):
        truth[row, place] = True
        probabilities[row, (place + (row < wrong)) % len(tags)] = sure
    return ClassPredictions(
        ids=tuple(sha256 for sha256, _ in images), tags=tuple(tags), kind="multiclass",
        fold=np.arange(len(images), dtype=np.int32) % 5, truth=truth, probabilities=probabilities,
        uncalibrated=probabilities,
    )  # fmt: skip
