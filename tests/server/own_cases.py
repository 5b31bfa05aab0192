"""A server with a project whose iteration has all that a training leaves, and keys of every scope."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fake_project import TAGS
from iteration_cases import Case, add_images, held_out
from prediction_cases import add_iteration, new_garden, tags_of
from server_rows import add_image
from starlette.testclient import TestClient

from dahlia.evaluation.evaluation import evaluate, save_evaluation
from dahlia.params import EvaluateParams
from dahlia.server.app import create_app
from dahlia.server.context import Server, open_server
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import ExportRow
from dahlia.server.jobs.training_data import (
    EVALUATION,
    PAGE,
    VALIDATION,
    VALIDATION_PAGE,
    artifact_key,
    proof_key,
)
from dahlia.server.keys.keys import Scope, create_key
from dahlia.server.storage.names import export_key
from dahlia.settings.server import load_settings

OWN = "/dahlia/v1"
WRONG = 4  # images that the iteration takes for another tag's
REPORT = b"<!DOCTYPE html><title>garden</title><script>alert(1)</script>"


@dataclass
class Own:
    """What the tests ask.

    Attributes:
        client: with an admin key; paths begin at the root.
        project: with ten images of each tag, and one whose file is a picture.
        old: another one, with an iteration of an earlier version, whose files are not there.
        case: the project's tags and images.
        iteration: id of its only iteration, published as `live`.
        old_iteration: id of that of `old`.
        picture: id of the image that has a file.
    """

    client: TestClient
    server: Server
    project: ProjectRow
    old: ProjectRow
    case: Case
    iteration: str
    old_iteration: str
    picture: str
    keys: dict[tuple[str, str | None], str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"{OWN}/projects/{self.project.id}/iterations/{self.iteration}"

    def key(self, scope: Scope, project: str | None = None) -> dict[str, str]:
        """The header with a key of a scope."""
        if (scope, project) not in self.keys:
            with self.server.database.write() as session:
                made = create_key(session, f"{scope} key", scope, project, self.server.now())
                self.keys[scope, project] = made[1]
        return {"Training-Key": self.keys[scope, project]}

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(OWN + path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def open_own(home: Path, database: Path, picture: bytes) -> Iterator[Own]:
    shutil.copy(database, home / "dahlia.db")
    variables = {"DAHLIA_SERVER_HOME": str(home), "DAHLIA_SERVER_ALLOWED_HOSTS": "testserver"}
    server = open_server(load_settings(None, variables | {"DAHLIA_JOBS_POLL_SECONDS": "60"}))
    project, old = new_garden(server), new_garden(server, name="old")
    case = Case(project.id, tags_of(server, project), {tag: [] for tag in TAGS})
    for tag in TAGS:
        add_images(server, case, tag, 10)
    shown = add_image(server, project, picture)
    row = add_iteration(server, project, publish_name="live", favourite=1, tag_ids=case.tags)
    put_reports(server, case, row.id, home)
    add_export(server, row.key, row.id)
    old_row = add_iteration(server, old, files=False)
    with TestClient(create_app(server)) as client:
        own = Own(client, server, project, old, case, row.id, old_row.id, shown.id)
        client.headers.update(own.key(Scope.ADMIN))
        yield own
    server.database.close()


def put_reports(server: Server, case: Case, iteration: str, folder: Path) -> None:
    params = EvaluateParams(
        threshold=0.5, confidence=0.95, bootstrap_samples=50, calibration_bins=5, worst_images=6
    )
    found = evaluate(held_out(case, TAGS, wrong=WRONG), params, seed=1, negative_tag=None)
    save_evaluation(folder / EVALUATION, found)
    server.storage.put_file(artifact_key(iteration, EVALUATION), folder / EVALUATION)
    names = [f"data/images/{sha256}.jpg" for _, sha256 in case.images["red"][:2]]
    finding = {"code": "near-duplicate", "severity": "warning", "files": names, "tags": ["red"]}
    validation = {
        "stops": False,
        "files": 30,
        "images": 30,
        "excluded": [{"path": "data/images/gone.jpg", "id": None, "code": "truncated"}],
        "counts": {"error": 0, "warning": 1, "advice": 0},
        "tags": {tag: {"train": 10, "test": 0} for tag in TAGS},
        "findings": [finding | {"expected": "other photos", "found": "alike", "mend": "Take one out."}],
    }
    server.storage.put(artifact_key(iteration, VALIDATION), json.dumps(validation).encode())
    for page in (PAGE, VALIDATION_PAGE):
        server.storage.put(artifact_key(iteration, page), REPORT)


def add_export(server: Server, iteration_key: int, iteration: str) -> None:
    file = export_key(iteration, f"{iteration}.ONNX.OnnxFloat16.zip")
    proof = {"top_tag_agreement": 1.0, "limit": {"top_tag": 1}, "versions": {"onnx_runtime": "1"}}
    server.storage.put(proof_key(file), json.dumps(proof).encode())
    with server.database.write() as session:
        session.add(
            ExportRow(
                id=new_id(), iteration_key=iteration_key, platform="ONNX", flavor="OnnxFloat16",
                status="Done", file_key=file, error=None, created=server.now(),
            )
        )  # fmt: skip
