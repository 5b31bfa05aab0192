from __future__ import annotations

import base64
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from image_cases import box, entry, photo, statuses, tag_names, upload, uploaded
from project_cases import UNKNOWN, domain_id, make_project, make_tag, refused, set_limit, train
from sqlalchemy import func, select
from starlette.testclient import TestClient

from dahlia.server.api.image_bodies import MAX_MARKS, json_body
from dahlia.server.context import Server
from dahlia.server.contract.bodies import ImageFileBatch
from dahlia.server.contract.enums import DomainType
from dahlia.server.database.changes import project_of
from dahlia.server.database.tables import AuditRow, ImageRow, ImageTagRow, RegionRow
from dahlia.server.storage.backend import StorageError
from dahlia.server.storage.names import image_key, thumbnail_key

pytestmark = pytest.mark.both_databases

DETECTION = domain_id("General", DomainType.DETECTION)
V32 = "http://testserver/customvision/v3.2/training"


@pytest.fixture
def project(client: TestClient) -> str:
    return str(make_project(client, classificationType="Multilabel")["id"])


@pytest.fixture
def pine(client: TestClient, project: str) -> str:
    return str(make_tag(client, {"id": project}, "pine")["id"])


@pytest.fixture
def oak(client: TestClient, project: str) -> str:
    return str(make_tag(client, {"id": project}, "oak")["id"])


def revision(server: Server, project: str) -> int:
    with server.database.read() as session:
        return project_of(session, project).revision


def rows(server: Server, table: Any = ImageRow) -> int:
    with server.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_base64_as_clients_write_it(client: TestClient, project: str) -> None:
    usual = base64.b64encode(photo(1))
    ways = [
        b"data:image/jpeg;base64," + usual,
        usual.rstrip(b"="),
        base64.urlsafe_b64encode(photo(1)).rstrip(b"="),
        base64.encodebytes(photo(1)),
    ]
    summary = upload(client, project, *({"contents": way.decode()} for way in ways))
    assert {one["status"] for one in summary["images"]} <= {"OK", "OKDuplicate"}


def test_tags_in_the_query_of_a_batch(client: TestClient, project: str, pine: str, oak: str) -> None:
    path = f"/projects/{project}/images/files?tagIds={pine}"
    answer = client.post(path, json={"images": [entry(1, oak)]})
    assert sorted(tag_names(answer.json()["images"][0]["image"])) == ["oak", "pine"]
    answer = client.post(f"/projects/{project}/images", files={"a": photo(2)}, data={"tagNames": "pine"})
    refused(answer, "BadRequestInvalid")


@pytest.mark.parametrize("filename", [None, "leaf.jpg"])
@pytest.mark.parametrize("content_type", [None, "application/octet-stream"])
def test_a_form_with_images(
    client: TestClient,
    server: Server,
    project: str,
    pine: str,
    filename: str | None,
    content_type: str | None,
) -> None:
    parts = [("imageData", (filename, photo(number), content_type)) for number in (1, 2)]
    answer = client.post(f"/projects/{project}/images", params={"tagIds": pine}, files=parts)
    assert answer.status_code == 200, answer.text
    summary = answer.json()
    assert (summary["isBatchSuccessful"], statuses(summary)) == (True, ["OK", "OK"])
    image = summary["images"][0]["image"]
    assert (image["width"], image["height"], tag_names(image)) == (32, 24, ["pine"])
    assert image["tags"][0]["tagId"] == pine
    assert "regions" not in image
    assert "metadata" not in image
    sha256 = hashlib.sha256(photo(1)).hexdigest()
    assert server.storage.get(image_key(sha256, ".jpg")) == photo(1)
    assert server.storage.exists(thumbnail_key(sha256))
    assert client.get(image["originalImageUri"]).content == photo(1)


def test_an_image_as_the_body(client: TestClient, project: str) -> None:
    answer = client.post(
        f"/projects/{project}/images",
        content=photo(1, kind="PNG"),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert (answer.status_code, statuses(answer.json())) == (200, ["OK"])
    assert "tags" not in answer.json()["images"][0]["image"]


def test_files_in_base64(client: TestClient, server: Server, project: str, pine: str, oak: str) -> None:
    before = revision(server, project)
    broken = base64.encodebytes(photo(2)).decode()  # in lines
    summary = upload(
        client,
        project,
        entry(1, oak),
        {"Name": "lines", "Contents": broken},
        {"name": "no base64", "contents": "!"},
        {"name": "no image", "contents": base64.b64encode(b"text").decode()},
        {"name": "long", "contents": base64.b64encode(photo(3, 260, 10)).decode()},
        tagIds=[pine],
        metadata={"shelf": "3"},
    )
    assert summary["isBatchSuccessful"] is False
    assert [one["sourceUrl"] for one in summary["images"]] == [
        "photo 1",
        "lines",
        "no base64",
        "no image",
        "long",
    ]
    assert statuses(summary) == ["OK", "OK", "ErrorImageFormat", "ErrorImageFormat", "ErrorImageDimensions"]
    assert [one["image"] is None for one in summary["images"]] == [False, False, True, True, True]
    first = summary["images"][0]["image"]
    assert (sorted(tag_names(first)), first["metadata"]) == (["oak", "pine"], {"shelf": "3"})
    assert rows(server) == 2
    assert revision(server, project) == before + 1
    with server.database.read() as session:
        line = session.scalars(select(AuditRow).order_by(AuditRow.key.desc())).first()
    assert line is not None
    assert (line.action, line.project_id, line.details) == (
        "create_images_from_files",
        project,
        {"images": 2},
    )


def test_what_is_there_already(client: TestClient, server: Server, project: str, pine: str, oak: str) -> None:
    (first,) = uploaded(client, project, entry(1, pine), metadata={"shelf": "3"})
    before = revision(server, project)
    summary = upload(client, project, entry(1, pine), entry(2), entry(2, pine), metadata={"shelf": "3"})
    assert statuses(summary) == ["OKDuplicate", "OK", "OKDuplicate"]
    assert summary["isBatchSuccessful"] is False
    assert summary["images"][0]["image"]["id"] == first
    assert tag_names(summary["images"][1]["image"]) == ["pine"]
    assert revision(server, project) == before + 1
    again = upload(client, project, entry(1, oak), metadata={"row": "1"})["images"][0]["image"]
    assert (tag_names(again), again["metadata"]) == (["pine", "oak"], {"shelf": "3", "row": "1"})
    settled = revision(server, project)
    assert statuses(upload(client, project, entry(1, oak, pine))) == ["OKDuplicate"]
    assert (revision(server, project), rows(server)) == (settled, 2)


def test_an_image_that_an_iteration_keeps_is_new_to_the_workspace(
    client: TestClient, server: Server, project: str, pine: str
) -> None:
    (first,) = uploaded(client, project, entry(1, pine))
    train(server, project)
    assert client.delete(f"/projects/{project}/images", params={"imageIds": first}).status_code == 204
    (second,) = uploaded(client, project, entry(1))
    assert second != first
    assert rows(server) == 2


def test_failures_of_early_versions(client: TestClient, project: str, pine: str) -> None:
    url = f"{V32}/projects/{project}/images/files"
    flat = {"name": "long", "contents": base64.b64encode(photo(3, 260, 10)).decode()}
    answer = client.post(url, json={"images": [entry(1, pine), flat]})
    assert (answer.status_code, answer.json()["isBatchSuccessful"]) == (200, False)
    assert statuses(answer.json()) == ["OK", "ErrorImageSize"]
    refused(client.post(url, json={"images": [entry(2, UNKNOWN)]}), "BadRequestImageTags")
    assert client.get(f"/projects/{project}/images/count").json() == 1
    newer = client.post(url.replace("v3.2", "v3.3"), json={"images": [entry(1)]})
    assert (newer.status_code, statuses(newer.json())) == (207, ["OKDuplicate"])


def test_an_unknown_tag(client: TestClient, project: str, pine: str) -> None:
    client.delete(f"/projects/{project}/tags/{pine}")
    summary = upload(client, project, entry(1), entry(2, pine), entry(3, UNKNOWN))
    assert statuses(summary) == ["OK", "ErrorInvalidTag", "ErrorInvalidTag"]


def test_labels_that_exclude_each_other(client: TestClient, project: str, pine: str, oak: str) -> None:
    none = make_tag(client, {"id": project}, "none", type="Negative")["id"]
    summary = upload(
        client, project, entry(1, none), entry(2, none, pine), entry(1, oak), entry(3, pine, oak)
    )
    assert statuses(summary) == [
        "OK",
        "ErrorNegativeAndRegularTagOnSameImage",
        "ErrorNegativeAndRegularTagOnSameImage",
        "OK",
    ]


def test_several_tags_where_tags_exclude_each_other(client: TestClient) -> None:
    project = make_project(client, classificationType="Multiclass")
    pine, oak = (make_tag(client, project, name)["id"] for name in ("pine", "oak"))
    summary = upload(client, project["id"], entry(1, pine), entry(2, pine, oak), entry(1, oak))
    assert statuses(summary) == ["OK", "OK", "OKDuplicate"]
    assert [tag_names(one["image"]) for one in summary["images"]] == [["pine", "oak"]] * 3


def test_limits(client: TestClient, server: Server, project: str, pine: str, oak: str) -> None:
    set_limit(server, images_per_project=2, tags_per_image=1, metadata_pairs=1)
    summary = upload(
        client,
        project,
        entry(1, pine, oak),
        entry(2),
        entry(3),
        entry(4),
        entry(3, oak),
        metadata={"row": "1"},
    )
    assert statuses(summary) == ["ErrorTagLimitExceed", "OK", "OK", "ErrorLimitExceed", "OKDuplicate"]
    assert statuses(upload(client, project, entry(2), metadata={"shelf": "1"})) == ["ErrorLimitExceed"]


def test_regions(client: TestClient, server: Server) -> None:
    project = make_project(client, domainId=DETECTION)
    pine, oak = (make_tag(client, project, name)["id"] for name in ("pine", "oak"))
    set_limit(server, regions_per_image=2)
    summary = upload(
        client,
        project["id"],
        entry(1, regions=[box(pine), box(oak), box(pine)]),
        entry(2, regions=[box(pine, left=number / 10) for number in range(3)]),
        entry(3, regions=[box(UNKNOWN)]),
    )
    assert statuses(summary) == ["OK", "ErrorRegionLimitExceed", "ErrorInvalidTag"]
    image = summary["images"][0]["image"]
    assert tag_names(image) == ["pine", "oak"]
    assert [region["tagName"] for region in image["regions"]] == ["pine", "oak"]
    assert {name: image["regions"][0][name] for name in ("left", "top", "width", "height")} == {
        "left": 0.1, "top": 0.25, "width": 0.5, "height": 0.5,
    }  # fmt: skip
    assert (rows(server, RegionRow), rows(server, ImageTagRow)) == (2, 2)
    assert statuses(upload(client, project["id"], entry(1, regions=[box(oak)]))) == ["OKDuplicate"]
    assert rows(server, RegionRow) == 2


def test_refused_batches(client: TestClient, server: Server, project: str, pine: str) -> None:
    set_limit(server, batch_images=2, batch_tags=1, metadata_value=3)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"images": []}, "BadRequestImageBatch"),
        ({"images": None}, "BadRequestImageBatch"),
        ({"images": [entry(number) for number in range(3)]}, "BadRequestExceededBatchSize"),
        ({"images": [entry(1, pine), entry(2, UNKNOWN)]}, "BadRequestExceededBatchSize"),
        ({"images": [entry(1, "pine")]}, "BadRequestInvalidIds"),
        ({"images": [{"name": "a"}]}, "BadRequestRequiredParamIsNull"),
        ({"images": 1}, "BadRequestInvalid"),
        ({"images": [entry(1)], "metadata": {"": "1"}}, "BadRequestImageMetadataKey"),
        ({"images": [entry(1)], "metadata": {"row": "1234"}}, "BadRequestImageMetadataValue"),
        ({"images": [entry(1, regions=[box(pine)])]}, "BadRequestUnsupportedDomain"),
        ({"images": [entry(1, regions=[box(pine, left=0.6)])]}, "BadRequestImageRegions"),
    ]
    for body, code in cases:
        refused(client.post(f"/projects/{project}/images/files", json=body), code)
    path = f"/projects/{project}/images"
    refused(client.post(f"{path}/files", content=b"{"), "BadRequestInvalid")
    endless = b'{"images": [' + b",".join([b"{}"] * MAX_MARKS) + b"]}"
    refused(client.post(f"{path}/files", content=endless), "BadRequestExceededBatchSize")
    refused(client.post(path, content=b""), "BadRequestImageStream")
    refused(client.post(path, files=[("other", (None, b"1"))]), "BadRequestImageStream")
    refused(client.post(path, files=[("imageData", photo(1))] * 3), "BadRequestExceededBatchSize")
    refused(client.post(f"/projects/{UNKNOWN}/images", content=photo(1)), "NotFoundProject", 404)
    refused(
        client.post(f"/projects/{UNKNOWN}/images/files", json={"images": [entry(1)]}), "NotFoundProject", 404
    )
    assert rows(server) == 0
    assert not list(server.storage.keys("images"))


def test_clients_that_upload_the_same_at_once(
    client: TestClient, server: Server, project: str, pine: str
) -> None:
    batch = [entry(number, pine) for number in range(4)]
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: upload(client, project, *batch), range(4)))
    for place in range(4):
        found = [answer["images"][place] for answer in answers]
        assert sorted(one["status"] for one in found) == ["OK", *["OKDuplicate"] * 3]
        assert len({one["image"]["id"] for one in found}) == 1
    assert (rows(server), rows(server, ImageTagRow)) == (4, 4)


def test_no_row_without_its_files(
    client: TestClient, server: Server, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(items: object) -> None:
        raise StorageError("Expected the disk to take files, received: no space left.")

    monkeypatch.setattr(server.storage, "put_many", full)
    answer = client.post(f"/projects/{project}/images", content=photo(1))
    refused(answer, "ErrorUnknown", 503)
    assert re.search("no space left", answer.json()["message"])
    assert rows(server) == 0


def test_a_key_is_needed_before_a_body_is_read(client: TestClient, project: str) -> None:
    del client.headers["Training-Key"]
    answer = client.post(f"/projects/{project}/images/files", content=b"{")
    assert answer.status_code == 401


def test_the_page_describes_bodies() -> None:
    content = json_body(ImageFileBatch)["requestBody"]["content"]["application/json"]
    entries = content["schema"]["properties"]["images"]["items"]["properties"]
    assert set(entries) == {"name", "contents", "tagIds", "regions"}
    assert entries["regions"]["items"]["required"] == ["tagId", "left", "top", "width", "height"]
