"""What the tests of predictions share: projects with models that answer, pictures, clients."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fake_project import TAGS, write_model
from PIL import Image
from server_rows import add_project
from sqlalchemy import select
from starlette.testclient import TestClient

from dahlia.server.app import create_app
from dahlia.server.context import Server
from dahlia.server.database.tables import ProjectRow, TagRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.storage.names import servable_prefix
from dahlia.server.workspaces.models import personalise

Colour = tuple[int, int, int]

GREY = (128, 128, 128)
SURE = (255, 0, 0)
NOWHERE = "00000000-0000-4000-8000-000000000000"
TRAINING = "http://testserver/customvision/v3.4-preview/training"


def picture(
    colour: tuple[int, int, int] = GREY, size: tuple[int, int] = (64, 48), kind: str = "PNG"
) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


def new_garden(server: Server, **fields: Any) -> ProjectRow:
    """A project with the tags red, green and blue."""
    project = add_project(server, **fields)
    common = {"description": "", "type": "Regular", "created": server.now(), "added": 1, "removed": None}
    with server.database.write() as session:
        for name in TAGS:
            session.add(TagRow(id=new_id(), project_key=project.key, name=name, **common))
    return project


def tags_of(server: Server, project: ProjectRow) -> dict[str, str]:
    with server.database.read() as session:
        rows = session.scalars(select(TagRow).where(TagRow.project_key == project.key))
        return {row.name: row.id for row in rows}


def add_iteration(
    server: Server,
    project: ProjectRow,
    number: int = 1,
    *,
    favourite: int = 0,
    files: bool = True,
    **fields: Any,
) -> IterationRow:
    """An iteration that is trained; on a grey picture its model prefers the tag at `favourite`."""
    now = server.now()
    values: dict[str, Any] = {
        "id": new_id(), "project_key": project.key, "number": number, "name": f"Iteration {number}",
        "status": "Completed", "created": now, "modified": now, "trained": now, "epoch": 1, "revision": 1,
        "domain_id": project.domain_id, "classification": project.classification, "training_type": "Regular",
        "budget_hours": 0, "minutes": 1, "chosen_tags": [], "tag_ids": {}, "base_project_id": None,
        "base_iteration_id": None, "publish_name": None, "publish_resource": None, "error": None,
        "run_id": None, "files": files,
    }  # fmt: skip
    with server.database.write() as session:
        row = IterationRow(**values | fields)
        session.add(row)
    if files:
        put_model(server, project, row.id, favourite)
    return row


def published_garden(server: Server) -> ProjectRow:
    """A project whose only iteration is published as `live`."""
    project = new_garden(server)
    add_iteration(server, project, publish_name="live", favourite=1)
    server.published_changed()
    return project


def configure(server: Server, section: str, **changes: Any) -> None:
    """Change settings of a server that is open."""
    changed = getattr(server.settings, section).model_copy(update=changes)
    server.settings = server.settings.model_copy(update={section: changed})


def put_model(server: Server, project: ProjectRow, iteration: str, favourite: int = 0) -> None:
    with tempfile.TemporaryDirectory() as name:
        plain, own = Path(name) / "plain", Path(name) / "own"
        write_model(plain, favourite)
        personalise(plain, own, project_id=project.id, tag_ids=tags_of(server, project))
        server.storage.put_folder(servable_prefix(iteration), own)


def publish(server: Server, iteration: IterationRow, name: str | None) -> None:
    with server.database.write() as session:
        session.get_one(IterationRow, iteration.key).publish_name = name
    server.published_changed()


@contextmanager
def talking(server: Server, key: str) -> Iterator[TestClient]:
    """A client of a server that runs until the block ends; paths are those of the training API."""
    with TestClient(create_app(server), base_url=TRAINING) as client:
        client.headers["Training-Key"] = key
        yield client


def asked(project: ProjectRow, name: str = "live", end: str = "image", version: str = "v3.1") -> str:
    """The address of a prediction."""
    route = f"/customvision/{version}/prediction/{project.id}/classify/iterations/{name}/{end}"
    return f"http://testserver{route}"


def predict(client: TestClient, project: ProjectRow, colour: Colour = GREY, **query: str) -> str:
    """Ask about a picture; gives the prediction's id."""
    answer = client.post(asked(project), content=picture(colour), params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["dahlia-stored"] == "true"
    return str(answer.json()["id"])
