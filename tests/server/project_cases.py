"""Projects with images, tags and iterations, as uploads and workers would leave them."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

from sqlalchemy import func, select, update
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.contract.domains import DOMAINS
from dahlia.server.contract.enums import DomainType
from dahlia.server.database.changes import changed
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import IterationRow

UNKNOWN = "00000000-0000-4000-8000-000000000000"
_numbers = itertools.count()


def domain_id(name: str, kind: DomainType = DomainType.CLASSIFICATION) -> str:
    return next(domain.id for domain in DOMAINS if (domain.name, domain.type) == (name, kind))


def make_project(client: TestClient, name: str = "garden", **query: Any) -> dict[str, Any]:
    answer = client.post("/projects", params={"name": name, **query})
    assert answer.status_code == 200, answer.text
    project: dict[str, Any] = answer.json()
    return project


def make_tag(client: TestClient, project: dict[str, Any], name: str, **query: Any) -> dict[str, Any]:
    answer = client.post(f"/projects/{project['id']}/tags", params={"name": name, **query})
    assert answer.status_code == 200, answer.text
    tag: dict[str, Any] = answer.json()
    return tag


def add_image(
    server: Server, project_id: str, *tag_ids: str, boxes: int = 0, sha256: str | None = None
) -> str:
    """A row of an image with these tags, and so many regions of the first; its id."""
    content = sha256 or hashlib.sha256(f"image {next(_numbers)}".encode()).hexdigest()
    with server.database.write() as session:
        project = changed(session, project_id, server.now())
        common = {"created": server.now(), "added": project.epoch, "removed": None}
        image = ImageRow(
            id=new_id(), project_key=project.key, sha256=content, suffix=".jpg", width=640, height=480,
            size=1000, details={"shelf": "3"}, tagged=bool(tag_ids), **common,
        )  # fmt: skip
        session.add(image)
        session.flush()
        tags = list(session.scalars(select(TagRow).where(TagRow.id.in_(tag_ids)).order_by(TagRow.key)))
        session.add_all(ImageTagRow(image_key=image.key, tag_key=tag.key, **common) for tag in tags)
        for number in range(boxes):
            box = {"left": 0.1 * number, "top": 0.25, "width": 0.5, "height": 0.5}
            session.add(RegionRow(id=new_id(), image_key=image.key, tag_key=tags[0].key, **box, **common))
        return image.id


def train(server: Server, project_id: str, **fields: Any) -> str:
    """An iteration of the present epoch, as a worker completes it; its id."""
    with server.database.write() as session:
        project = session.scalars(select(ProjectRow).where(ProjectRow.id == project_id)).one()
        tags = session.scalars(select(TagRow).where(TagRow.project_key == project.key)).all()
        project.iterations_made += 1
        number = project.iterations_made
        values: dict[str, Any] = {
            "id": new_id(), "project_key": project.key, "number": number, "name": f"Iteration {number}",
            "status": "Completed", "created": server.now(), "modified": server.now(),
            "trained": server.now(), "epoch": project.epoch, "revision": project.revision,
            "domain_id": project.domain_id, "classification": project.classification,
            "training_type": "Regular", "budget_hours": 0, "minutes": 1, "chosen_tags": [],
            "tag_ids": {tag.name: tag.id for tag in tags if tag.removed is None},
            "base_project_id": None, "base_iteration_id": None, "publish_name": None,
            "publish_resource": None, "error": None, "run_id": "run", "files": False,
        }  # fmt: skip
        row = IterationRow(**values | fields)
        session.add(row)
        project.epoch += 1
        return row.id


def count(server: Server, *tables: Any) -> int:
    """How many rows tables have."""
    with server.database.read() as session:
        return sum(session.scalar(select(func.count()).select_from(table)) or 0 for table in tables)


def set_project(server: Server, project_id: str, **columns: Any) -> None:
    with server.database.write() as session:
        session.execute(update(ProjectRow).where(ProjectRow.id == project_id).values(**columns))


def set_limit(server: Server, **limits: int) -> None:
    section = server.settings.limits.model_copy(update=limits)
    server.settings = server.settings.model_copy(update={"limits": section})


def refused(answer: Any, code: str, status: int = 400) -> str:
    """See that an answer is a refusal; gives what it says."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return str(answer.json()["message"])
