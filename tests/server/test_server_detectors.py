"""A detector on the server: it answers, is stored with its boxes, and is quick-tested."""

from __future__ import annotations

import tempfile
from pathlib import Path

import fake_detector
import pytest
from fake_detector import GIVEN
from prediction_cases import add_iteration, new_garden, picture, publish, tags_of, talking
from sqlalchemy import select

from dahlia.server.context import Server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow, ScoreRow
from dahlia.server.storage.names import servable_prefix
from dahlia.server.workspaces.models import personalise

DOMAIN = "a27d5ca5-bb19-49d8-a70a-fec086c47f5b"
RED = (255, 0, 0)


@pytest.fixture
def detecting(server: Server) -> tuple[ProjectRow, IterationRow]:
    """A project of detection, whose only iteration is published as `live`."""
    project = new_garden(server, domain_id=DOMAIN, classification=None)
    iteration = add_iteration(server, project, files=False)
    with tempfile.TemporaryDirectory() as name:
        plain, own = Path(name) / "plain", Path(name) / "own"
        fake_detector.write_model(plain)
        personalise(plain, own, project_id=project.id, tag_ids=tags_of(server, project))
        server.storage.put_folder(servable_prefix(iteration.id), own)
    publish(server, iteration, "live")
    return project, iteration


def address(project: ProjectRow, task: str) -> str:
    return f"http://testserver/customvision/v3.1/prediction/{project.id}/{task}/iterations/live/image"


def test_its_answers_are_stored_with_boxes(
    server: Server, key: str, detecting: tuple[ProjectRow, IterationRow]
) -> None:
    project, _ = detecting
    with talking(server, key) as client:
        answer = client.post(address(project, "detect"), content=picture(RED))
        assert answer.status_code == 200, answer.text
        said = answer.json()["predictions"]
        assert [one["tagName"] for one in said] == list(GIVEN)
        found = client.post(f"/projects/{project.id}/predictions/query", json={})
        (stored,) = found.json()["results"]
        tags = tags_of(server, project)
    assert stored["predictions"] == said
    assert said[0]["boundingBox"]["width"] == pytest.approx(0.4)
    with server.database.read() as session:
        scores = {row.tag_id: row.probability for row in session.scalars(select(ScoreRow))}
    assert scores == {
        tags["red"]: pytest.approx(0.9, abs=1e-5),
        tags["green"]: pytest.approx(0.02, abs=1e-5),
        tags["blue"]: pytest.approx(0.02, abs=1e-5),
    }


def test_it_does_not_classify(server: Server, key: str, detecting: tuple[ProjectRow, IterationRow]) -> None:
    with talking(server, key) as client:
        answer = client.post(address(detecting[0], "classify"), content=picture(RED))
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequestOperationNotSupported")


def test_a_quick_test_gives_boxes(
    server: Server, key: str, detecting: tuple[ProjectRow, IterationRow]
) -> None:
    project, iteration = detecting
    with talking(server, key) as client:
        answer = client.post(
            f"/projects/{project.id}/quicktest/image?iterationId={iteration.id}&store=false",
            content=picture(RED),
        )
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0]["boundingBox"]["left"] == pytest.approx(0.05, abs=1e-5)
