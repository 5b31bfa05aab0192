"""Ids of another project: nothing is done to what they name, and nothing is said of it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import pytest
from prediction_cases import NOWHERE, picture
from project_cases import add_image, make_project, make_tag, train
from sqlalchemy import select
from starlette.testclient import TestClient

from dahlia.server.backup.archive import TABLES
from dahlia.server.context import Server
from dahlia.server.database.changes import project_of
from dahlia.server.database.tables import ImageRow, RegionRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import ExportRow, IterationRow, PredictionRow
from dahlia.server.storage.names import export_key, image_key, thumbnail_key

BASE = "/customvision/v3.4-preview/training"
ABOUT_REQUESTS = {"audit", "keys", "secrets", "journal"}


@dataclass(frozen=True)
class Garden:
    """A project that has one of everything; ids of it."""

    project: str
    image: str
    tag: str
    region: str
    iteration: str
    prediction: str
    file: str

    def filled(self, text: str, other: Garden) -> str:
        """A path or body with `{image}` for an id of ours, `{their_image}` for one of the other's."""
        mine = vars(self)
        return text.format(**mine, **{f"their_{name}": value for name, value in vars(other).items()})


def garden(client: TestClient, server: Server) -> Garden:
    detection = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
    project = make_project(client, domainId=detection)
    tag = make_tag(client, project, "daisy")["id"]
    image = add_image(server, project["id"], tag, boxes=1)
    iteration = train(server, project["id"], files=True, publish_name=f"live {project['id']}")
    with server.database.write() as session:
        row = session.scalars(select(ImageRow).where(ImageRow.id == image)).one()
        region = session.scalars(select(RegionRow).where(RegionRow.image_key == row.key)).one().id
        trained = session.scalars(select(IterationRow).where(IterationRow.id == iteration)).one()
        file = export_key(iteration, "model.zip")
        prediction = PredictionRow(
            id=new_id(), project_key=project_of(session, project["id"]).key, iteration_key=trained.key,
            image_key=None, domain_id=detection, sha256=row.sha256, suffix=".jpg", width=1, height=1, size=1,
            application=None, created=server.now(), predictions=[], uncertainty=0.0,
        )  # fmt: skip
        export = ExportRow(
            id=new_id(), iteration_key=trained.key, platform="ONNX", flavor=None, status="Done",
            file_key=file, error=None, created=server.now(),
        )  # fmt: skip
        session.add_all((prediction, export))
        server.storage.put(image_key(row.sha256, ".jpg"), b"photo")
        server.storage.put(thumbnail_key(row.sha256), b"small")
        server.storage.put(file, b"zip")
        return Garden(project["id"], image, tag, region, iteration, prediction.id, file)


@pytest.fixture
def mine(client: TestClient, server: Server) -> Garden:
    return garden(client, server)


@pytest.fixture
def theirs(client: TestClient, server: Server) -> Garden:
    return garden(client, server)


def state(server: Server, theirs: Garden) -> dict[str, Any]:
    """All that is kept, but for what was said of requests, and when a project was last written to."""
    with server.database.read() as session:
        rows: dict[str, Any] = {
            table.name: session.execute(
                select(*(one for one in table.columns if one.name != "modified")).order_by(*table.primary_key)
            ).all()
            for table in TABLES
            if table.name not in ABOUT_REQUESTS
        }
        rows["modified"] = project_of(session, theirs.project).modified
    return rows | {"files": [(entry.key, entry.size) for entry in server.storage.keys("")]}


P, I = "/projects/{project}", "/projects/{project}/iterations/{their_iteration}"  # noqa: E741
REGION = '"left": 0.1, "top": 0.1, "width": 0.2, "height": 0.2'
OPERATIONS = [
    # Deleting passes over ids that the project does not have: who asks again after a lost answer gets 204.
    ("DELETE", P + "/images?imageIds={their_image}", None, 204),
    ("DELETE", P + "/images?imageIds={their_image}&allIterations=true", None, 202),
    ("DELETE", P + "/images/tags?imageIds={their_image}&tagIds={their_tag}", None, 204),
    ("DELETE", P + "/images/tags?imageIds={their_image}&tagIds={tag}", None, 204),
    ("DELETE", P + "/images/tags?imageIds={image}&tagIds={their_tag}", None, 204),
    ("DELETE", P + "/images/regions?regionIds={their_region}", None, 204),
    ("DELETE", P + "/predictions?ids={their_prediction}", None, 204),
    ("DELETE", P + "/tags/{their_tag}", None, 404),
    ("DELETE", I, None, 404),
    ("DELETE", I + "/publish", None, 404),
    ("POST", P + "/images/tags", '{{"tags": [{{"imageId": "{their_image}", "tagId": "{tag}"}}]}}', 404),
    ("POST", P + "/images/tags", '{{"tags": [{{"imageId": "{image}", "tagId": "{their_tag}"}}]}}', 404),
    ("POST", P + "/images/regions",
     f'{{{{"regions": [{{{{"imageId": "{{their_image}}", "tagId": "{{tag}}", {REGION}}}}}]}}}}', 404),
    ("POST", P + "/images/regions",
     f'{{{{"regions": [{{{{"imageId": "{{image}}", "tagId": "{{their_tag}}", {REGION}}}}}]}}}}', 404),
    ("POST", P + "/images/metadata?imageIds={their_image}", '{{"shelf": "4"}}', 207),
    ("POST", P + "/images/predictions", '{{"images": [{{"id": "{their_prediction}"}}]}}', 207),
    ("POST", P + "/images/{their_image}/regionproposals", None, 404),
    ("GET", P + "/images/id?imageIds={their_image}", None, 200),
    ("GET", P + "/images?iterationId={their_iteration}", None, 404),
    ("GET", P + "/images/count?iterationId={their_iteration}", None, 404),
    ("GET", P + "/images/tagged?iterationId={their_iteration}", None, 404),
    ("GET", P + "/images/tagged/count?iterationId={their_iteration}", None, 404),
    ("GET", P + "/images/untagged?iterationId={their_iteration}", None, 404),
    ("GET", P + "/images/untagged/count?iterationId={their_iteration}", None, 404),
    ("GET", P + "/tags?iterationId={their_iteration}", None, 404),
    ("GET", P + "/tags/{their_tag}", None, 404),
    ("PATCH", P + "/tags/{their_tag}", '{{"name": "mine"}}', 404),
    ("GET", I, None, 404),
    ("PATCH", I, '{{"name": "mine"}}', 404),
    ("POST", I + "/publish?publishName=mine&predictionId=mine", None, 404),
    ("POST", I + "/cancel", None, 404),
    ("GET", I + "/progress", None, 404),
    ("GET", I + "/export/progress", None, 404),
    ("GET", I + "/performance", None, 404),
    ("GET", I + "/performance/images", None, 404),
    ("GET", I + "/performance/images/count", None, 404),
    ("GET", I + "/export", None, 404),
    ("POST", I + "/export?platform=ONNX", None, 404),
    ("GET", P + "/artifacts?path={their_file}", None, 400),
    ("GET", P + "/artifacts?path=/i-{project}/i-{their_image}", None, 400),
    ("GET", P + "/artifacts?path=/i-{their_project}/i-{their_image}", None, 400),
    ("POST", P + "/quicktest/image?iterationId={their_iteration}", None, 404),
    ("POST", P + "/quicktest/url?iterationId={their_iteration}", '{{"url": "http://127.0.0.1/"}}', 404),
    ("POST", P + "/tagsandregions/suggestions?iterationId={their_iteration}&imageIds={image}", None, 404),
    ("POST", P + "/images/suggested?iterationId={their_iteration}", '{{"tagIds": []}}', 404),
    ("POST", P + "/images/suggested/count?iterationId={their_iteration}", '{{"tagIds": []}}', 404),
]  # fmt: skip


def test_nothing_is_done_to_another_project(
    client: TestClient, server: Server, mine: Garden, theirs: Garden
) -> None:
    before = state(server, theirs)
    nowhere = Garden(*[NOWHERE] * 6, file="exports/nothing.zip")
    for method, path, body, status in OPERATIONS:
        for other in (theirs, nowhere):  # who guesses ids does not learn which there are
            answer = client.request(
                method,
                mine.filled(path, other),
                content=mine.filled(body, other) if body else None,
                headers={"content-type": "application/json"},
            )
            assert answer.status_code == status, (method, path, answer.text)
            assert state(server, theirs) == before, (method, path)


def test_photos_get_no_tag_of_another_project(
    client: TestClient, server: Server, mine: Garden, theirs: Garden
) -> None:
    before = state(server, theirs)
    path = f"/projects/{mine.project}/images"
    files = {"images": [{"contents": base64.b64encode(picture()).decode(), "tagIds": [theirs.tag]}]}
    answers = (
        client.post(f"{path}/files", json=files),
        client.post(path, params={"tagIds": theirs.tag}, files={"imageData": picture()}),
    )
    assert [answer.status_code for answer in answers] == [207, 207], [answer.text for answer in answers]
    assert all(one.json()["images"][0]["status"] == "ErrorInvalidTag" for one in answers)
    after = state(server, theirs)
    # Files are written before the rows, and swept where none comes to name them.
    assert set(after["files"]) > set(before["files"])
    assert after | {"files": before["files"]} == before


def test_the_table_has_every_operation_that_takes_an_id(client: TestClient) -> None:
    document = client.get("http://testserver/openapi.json").json()
    tested = {_shape(method, path) for method, path, *_ in OPERATIONS}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            names = {one["name"].lower() for one in operation.get("parameters", [])}
            if path.startswith(f"{BASE}/projects/") and names & IDS:
                assert _shape(method.upper(), path.removeprefix(BASE)) in tested, (method, path)


IDS = {"image_id", "imageids", "tag_id", "iteration_id", "iterationid", "regionids", "ids", "path"}


def _shape(method: str, path: str) -> tuple[str, ...]:
    parts = path.partition("?")[0].split("/")
    return (method, *("{}" if part.startswith("{") else part for part in parts))
