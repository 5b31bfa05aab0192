"""Stored predictions that are deleted, or become training images."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image
from prediction_cases import (
    NOWHERE,
    SURE,
    add_iteration,
    asked,
    new_garden,
    picture,
    predict,
    tags_of,
    talking,
)
from sqlalchemy import select, update
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.tables import AuditRow, ImageRow, ProjectRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import PredictionRow


@pytest.fixture
def project(server: Server) -> ProjectRow:
    project = new_garden(server)
    add_iteration(server, project, publish_name="live")
    server.published_changed()
    return project


def stored(client: TestClient, project: ProjectRow) -> list[str]:
    answer = client.post(f"/projects/{project.id}/predictions/query", json={"orderBy": "Oldest"})
    return [one["id"] for one in answer.json()["results"]]


def delete(client: TestClient, project: ProjectRow, *ids: str) -> Any:
    return client.delete(f"/projects/{project.id}/predictions", params={"ids": ",".join(ids)})


def adopt(client: TestClient, project: ProjectRow, version: str = "v3.4-preview", **batch: Any) -> Any:
    base = f"http://testserver/customvision/{version}/training"
    return client.post(f"{base}/projects/{project.id}/images/predictions", json=batch)


def images_of(server: Server, project: ProjectRow) -> list[ImageRow]:
    with server.database.read() as session:
        return list(session.scalars(select(ImageRow).where(ImageRow.project_key == project.key)))


def test_delete(client: TestClient, server: Server, project: ProjectRow) -> None:
    ids = [predict(client, project) for _ in range(3)]
    answer = delete(client, project, ids[0].upper(), ids[2], NOWHERE)
    assert (answer.status_code, answer.content) == (204, b"")
    assert stored(client, project) == [ids[1]]
    assert delete(client, project, ids[0]).status_code == 204
    with server.database.read() as session:
        lines = session.scalars(select(AuditRow).where(AuditRow.action == "delete_prediction")).all()
    assert [line.details for line in lines] == [{"predictions": 2}, {"predictions": 0}]


def test_what_was_deleted_does_not_come_again(server: Server, key: str, project: ProjectRow) -> None:
    with talking(server, key) as client:
        ids = [predict(client, project) for _ in range(2)]
        delete(client, project, ids[0])
    with talking(server, key) as client:
        assert stored(client, project) == [ids[1]]


REFUSED: list[tuple[Any, ...]] = [
    ([], 400, "BadRequestPredictionIdsMissing"),
    (["rose"], 400, "BadRequestInvalidIds"),
    ([new_id() for _ in range(65)], 400, "BadRequestPredictionIdsExceededCount"),
]


def test_deletions_that_are_refused(client: TestClient, project: ProjectRow) -> None:
    for ids, status, code in REFUSED:
        answer = delete(client, project, *ids)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_predictions_of_other_projects_stay(client: TestClient, server: Server, project: ProjectRow) -> None:
    identity = predict(client, project)
    other = new_garden(server)
    assert delete(client, other, identity).status_code == 204
    assert stored(client, project) == [identity]
    answer = adopt(client, other, images=[{"id": identity}])
    assert [one["status"] for one in answer.json()["images"]] == ["ErrorSource"]


def test_predictions_become_training_images(client: TestClient, server: Server, project: ProjectRow) -> None:
    tags = tags_of(server, project)
    ids = [predict(client, project), predict(client, project, SURE)]
    entries = [{"id": ids[0], "tagIds": [tags["green"]]}]
    answer = adopt(client, project, images=entries, metadata={"shelf": "3"})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["isBatchSuccessful"]
    (result,) = said["images"]
    assert (result["sourceUrl"], result["status"]) == (ids[0], "OK")
    assert result["image"]["id"] not in ids
    assert [tag["tagName"] for tag in result["image"]["tags"]] == ["green"]
    assert result["image"]["metadata"] == {"shelf": "3"}
    assert client.get(result["image"]["originalImageUri"]).status_code == 200
    assert stored(client, project) == [ids[1]]
    assert client.get(f"/projects/{project.id}/images/count").json() == 1


VERSIONS: list[tuple[Any, ...]] = [("v3.4-preview", 207), ("v3.3", 207), ("v3.2", 200)]


def test_a_batch_that_fails_in_part(client: TestClient, server: Server, project: ProjectRow) -> None:
    for number, (version, status) in enumerate(VERSIONS):
        ids = [predict(client, project, (number, 0, 0)) for _ in range(2)]
        answer = adopt(client, project, version, images=[{"id": one} for one in (*ids, NOWHERE)])
        assert answer.status_code == status, answer.text
        assert not answer.json()["isBatchSuccessful"]
        statuses = [one["status"] for one in answer.json()["images"]]
        assert statuses == ["OK", "OKDuplicate", "ErrorSource"]
        assert stored(client, project) == []
        assert len(images_of(server, project)) == number + 1


UNFIT: list[tuple[Any, ...]] = [
    ({"width": 20_000}, "ErrorImageDimensions"),
    ({"width": 2600, "height": 100}, "ErrorImageDimensions"),
    ({"size": 7 << 20}, "ErrorImageSize"),
]


def test_images_unfit_for_training(client: TestClient, server: Server, project: ProjectRow) -> None:
    identity = predict(client, project)
    assert stored(client, project) == [identity]
    for change, status in UNFIT:
        with server.database.write() as session:
            session.execute(update(PredictionRow).values(**{"width": 64, "height": 48, "size": 1} | change))
        answer = adopt(client, project, images=[{"id": identity}])
        assert [one["status"] for one in answer.json()["images"]] == [status]
    assert stored(client, project) == [identity]


def test_a_prediction_that_is_deleted_meanwhile(
    client: TestClient, server: Server, project: ProjectRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = predict(client, project)
    assert stored(client, project) == [identity]
    module = "dahlia.server.api.predictions"
    from dahlia.server.predictions.queries import training_files

    def too_late(*given: Any) -> Any:
        files = training_files(*given)
        given[0].rollback()
        with server.database.write() as session:
            session.execute(PredictionRow.__table__.delete())
        return files

    monkeypatch.setattr(f"{module}.training_files", too_late)
    answer = adopt(client, project, images=[{"id": identity}])
    assert (answer.status_code, answer.json()["code"]) == (409, "Conflict")
    assert images_of(server, project) == []


BATCHES: list[tuple[Any, ...]] = [
    ({"images": []}, "BadRequestImageBatch"),
    ({"images": [{"id": "rose"}]}, "BadRequestInvalidIds"),
    ({"images": [{"id": NOWHERE}] * 65}, "BadRequestExceededBatchSize"),
    ({"images": [{}]}, "BadRequestRequiredParamIsNull"),
]


def test_batches_that_are_refused(client: TestClient, project: ProjectRow) -> None:
    for batch, code in BATCHES:
        answer = adopt(client, project, **batch)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("size", "thumbnail", "resized"),
    [
        ((12_000, 600), (256, 13), (1600, 80)),
        ((100, 11_000), (2, 256), (15, 1600)),
        ((11_000, 3), (256, 1), (1600, 1)),
    ],
)
def test_photos_beyond_the_longest_edge_are_shown_in_proportion(
    client: TestClient,
    server: Server,
    project: ProjectRow,
    size: tuple[int, int],
    thumbnail: tuple[int, int],
    resized: tuple[int, int],
    kind: str,
) -> None:
    """They can be predicted and kept, and become no training images."""
    answer = client.post(asked(project), content=picture(size=size, kind=kind))
    assert (answer.status_code, answer.headers["dahlia-stored"]) == (200, "true")
    query = client.post(f"/projects/{project.id}/predictions/query", json={})
    (found,) = query.json()["results"]
    shown = {
        name: Image.open(io.BytesIO(client.get(found[name]).content)).size
        for name in ("originalImageUri", "resizedImageUri", "thumbnailUri")
    }
    assert shown == {"originalImageUri": size, "resizedImageUri": resized, "thumbnailUri": thumbnail}
    adopted = adopt(client, project, images=[{"id": found["id"]}])
    assert [one["status"] for one in adopted.json()["images"]] == ["ErrorImageDimensions"]
    assert images_of(server, project) == []
