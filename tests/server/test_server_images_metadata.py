from __future__ import annotations

from typing import Any

import pytest
from image_cases import entry, upload, uploaded
from project_cases import UNKNOWN, make_project, refused, set_limit
from starlette.testclient import TestClient

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.database.changes import project_of
from dahlia.server.images.metadata import check_metadata
from dahlia.settings.sections import LimitsSection


@pytest.fixture
def project(client: TestClient) -> str:
    return str(make_project(client)["id"])


def update(client: TestClient, project: str, images: str, **metadata: str) -> Any:
    path = f"/projects/{project}/images/metadata"
    return client.post(path, params={"imageIds": images}, json=metadata)


def test_entries_are_set_and_others_stay(client: TestClient, server: Server, project: str) -> None:
    (image,) = uploaded(client, project, entry(1), metadata={"shelf": "3", "row": "1"})
    with server.database.read() as session:
        before = project_of(session, project).revision
    answer = update(client, project, image, shelf="4", day="Monday")
    metadata = {"shelf": "4", "row": "1", "day": "Monday"}
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "isBatchSuccessful": True,
            "images": [{"imageId": image, "status": "OK", "metadata": metadata}],
        },
    )
    (found,) = client.get(f"/projects/{project}/images").json()
    assert found["metadata"] == metadata
    with server.database.read() as session:  # no training would see it
        assert project_of(session, project).revision == before


def revision(server: Server, project: str) -> int:
    with server.database.read() as session:
        return project_of(session, project).revision


def test_a_training_sees_another_group(client: TestClient, server: Server, project: str) -> None:
    (image,) = uploaded(client, project, entry(1), metadata={"group": "plot 1"})
    first = revision(server, project)
    update(client, project, image, group=" plot  1", shelf="3")
    assert revision(server, project) == first  # it is the same one
    update(client, project, image, group="plot 2")
    assert revision(server, project) == first + 1
    upload(client, project, entry(1), metadata={"group": "plot 3"})
    assert revision(server, project) == first + 2
    update(client, project, image, group="")
    assert revision(server, project) == first + 3


def test_images_that_cannot_take_it(client: TestClient, server: Server, project: str) -> None:
    set_limit(server, metadata_pairs=1)
    full, other = uploaded(client, project, entry(1), entry(2))
    update(client, project, full, shelf="3")
    answer = update(client, project, f"{full},{UNKNOWN},{other}", row="1")
    assert answer.status_code == 207
    assert answer.json() == {
        "isBatchSuccessful": False,
        "images": [
            {"imageId": full, "status": "ErrorLimitExceed", "metadata": {"shelf": "3"}},
            {"imageId": UNKNOWN, "status": "ErrorImageNotFound", "metadata": None},
            {"imageId": other, "status": "OK", "metadata": {"row": "1"}},
        ],
    }


def test_refused(client: TestClient, server: Server, project: str) -> None:
    set_limit(server, read_ids=1, metadata_key=3)
    (image,) = uploaded(client, project, entry(1))
    refused(update(client, project, ""), "BadRequestRequiredParamIsNull")
    refused(update(client, project, f"{image},{UNKNOWN}"), "BadRequestExceededBatchSize")
    refused(update(client, project, image, shelf="3"), "BadRequestImageMetadataKey")
    path = f"/projects/{project}/images/metadata"
    refused(client.post(path, params={"imageIds": image}, json={"row": 1}), "BadRequestInvalid")
    refused(client.post(path, params={"imageIds": image}, json=["row"]), "BadRequestInvalid")


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({str(number): "" for number in range(10)}, None),
        ({"k" * 128: "v" * 256}, None),
        ({str(number): "" for number in range(11)}, "BadRequestImageMetadataKey"),
        ({"k" * 129: ""}, "BadRequestImageMetadataKey"),
        ({"": ""}, "BadRequestImageMetadataKey"),
        ({"a\0b": ""}, "BadRequestImageMetadataKey"),
        ({"a": "\ud800"}, "BadRequestImageMetadataValue"),
        ({"a": "v" * 257}, "BadRequestImageMetadataValue"),
    ],
)
def test_limits(metadata: dict[str, str], code: str | None) -> None:
    if code is None:
        check_metadata(metadata, LimitsSection())
        return
    with pytest.raises(ServiceError) as refusal:
        check_metadata(metadata, LimitsSection())
    assert refusal.value.code == code
