"""A detection project whose trained iteration is the fake detector, and what the tests of it ask."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import fake_detector
from prediction_cases import Colour, add_iteration, new_garden, picture, publish, tags_of
from server_rows import add_image
from starlette.testclient import TestClient

from dahlia.modeling.card import load_card, save_card
from dahlia.server.context import Server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.storage.names import servable_prefix
from dahlia.server.workspaces.models import personalise

LEAST = 0.05  # so that tags whose colour is not in the photo have no box
DOMAIN = "a27d5ca5-bb19-49d8-a70a-fec086c47f5b"
RED = (255, 0, 0)
BLACK = (0, 0, 0)


def detecting_project(server: Server) -> tuple[ProjectRow, IterationRow]:
    """A project of detection with the tags red, green and blue, and an iteration that is not published."""
    project = new_garden(server, domain_id=DOMAIN, classification=None)
    return project, detecting_iteration(server, project)


def detecting_iteration(server: Server, project: ProjectRow) -> IterationRow:
    """An iteration of a project with the tags red, green and blue; its model is the fake detector."""
    iteration = add_iteration(server, project, files=False)
    with tempfile.TemporaryDirectory() as name:
        plain, own = Path(name) / "plain", Path(name) / "own"
        fake_detector.write_model(plain)
        made = load_card(plain)
        assert made.detector is not None
        strict = made.detector.model_copy(update={"least": LEAST})
        save_card(plain, made.model_copy(update={"detector": strict}))
        personalise(plain, own, project_id=project.id, tag_ids=tags_of(server, project))
        server.storage.put_folder(servable_prefix(iteration.id), own)
    return iteration


def address(project: ProjectRow, task: str, end: str = "image") -> str:
    """Of a prediction of what is published as `live`."""
    return f"http://testserver/customvision/v3.1/prediction/{project.id}/{task}/iterations/live/{end}"


class Detecting:
    """A detection project and its client; the colour of a photo decides what is found: `fake_detector`."""

    def __init__(self, server: Server, client: TestClient) -> None:
        self.server = server
        self.client = client
        self.project, self.iteration = detecting_project(server)
        self.tags = tags_of(server, self.project)
        self.path = f"/projects/{self.project.id}"
        self._added = 0

    def add(self, *colours: Colour) -> list[str]:
        """Ids of new images without tags, each of a size of its own."""
        made = []
        for colour in colours:
            self._added += 1
            data = picture(colour, (64 + 2 * self._added, 48))
            made.append(add_image(self.server, self.project, data, suffix=".png").id)
        return made

    def post(self, path: str, status: int = 200, **given: Any) -> Any:
        """The JSON of an answer."""
        answer = self.client.post(f"{self.path}{path}", **given)
        assert answer.status_code == status, answer.text
        return answer.json()

    def publish(self) -> None:
        """As `live`."""
        publish(self.server, self.iteration, "live")

    def detect(self, colour: Colour, **query: str) -> Any:
        """Ask what is published about a photo; gives the answer, which is stored."""
        answer = self.client.post(address(self.project, "detect"), content=picture(colour), params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()
