"""Proposed regions: where something may be in an image, whatever it is."""

from __future__ import annotations

import numpy as np
import pytest
from detector_cases import RED, Detecting
from prediction_cases import NOWHERE, new_garden, picture
from project_cases import refused
from server_rows import add_image
from starlette.testclient import TestClient

from dahlia.boxes import Boxes
from dahlia.dataset.imaging import Pixels
from dahlia.errors import WeightsError
from dahlia.server.context import Server
from dahlia.server.predictions import proposals

VERSIONS = ("v2.2", "v3.0", "v3.1", "v3.2", "v3.3", "v3.4-preview")
FOUND = (
    ((0.1, 0.2, 0.3, 0.4), 0.25),
    ((-0.1, 0.5, 0.4, 0.75), 0.875),  # beyond the photo
    ((1.2, 0.1, 0.2, 0.2), 0.5),  # nothing of it is in the photo
)


@pytest.fixture
def detecting(server: Server, client: TestClient) -> Detecting:
    return Detecting(server, client)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[Pixels]:
    """The photos that proposals were asked for; all have those of `FOUND`."""
    photos: list[Pixels] = []

    def proposed(photo: Pixels, most: int) -> Boxes:
        photos.append(photo)
        places, scores = zip(*FOUND, strict=True)
        return Boxes(np.zeros(3, np.int32), np.array(places, np.float32), np.array(scores, np.float32))

    monkeypatch.setattr(proposals, "proposed", proposed)
    return photos


def test_boxes_within_the_photo_the_likeliest_first(detecting: Detecting, looked_at: list[Pixels]) -> None:
    (image,) = detecting.add(RED)
    assert detecting.post(f"/images/{image.upper()}/regionproposals") == {
        "projectId": detecting.project.id,
        "imageId": image,
        "proposals": [
            {"confidence": 0.875, "boundingBox": {"left": 0.0, "top": 0.5, "width": 0.3, "height": 0.5}},
            {"confidence": 0.25, "boundingBox": {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4}},
        ],
    }
    (photo,) = looked_at
    assert (photo.shape, photo.dtype) == ((48, 66, 3), np.uint8)
    assert (photo == RED).all()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_asks(detecting: Detecting, looked_at: list[Pixels], version: str) -> None:
    (image,) = detecting.add(RED)
    word = "Training" if version == "v2.2" else "training"
    base = f"http://testserver/customvision/{version}/{word}"
    for path in [detecting.path] + [f"/{detecting.project.id}"] * (version == "v2.2"):
        answer = detecting.client.post(f"{base}{path}/images/{image}/regionproposals")
        assert answer.status_code == 200, answer.text
        assert [one["confidence"] for one in answer.json()["proposals"]] == [0.875, 0.25]


def test_classifiers_have_no_regions(server: Server, client: TestClient, looked_at: list[Pixels]) -> None:
    project = new_garden(server)
    image = add_image(server, project, picture(RED)).id
    answer = client.post(f"/projects/{project.id}/images/{image}/regionproposals")
    assert (answer.status_code, answer.json()["proposals"]) == (200, [])
    assert looked_at == []


def test_images_that_are_refused(detecting: Detecting, monkeypatch: pytest.MonkeyPatch) -> None:
    server, project = detecting.server, detecting.project
    broken = add_image(server, project, b"no image").id
    lost = add_image(server, project, picture(RED), sha256="ab" * 32).id
    for image, code, status in (
        (NOWHERE, "NotFoundImage", 404),
        ("rose", "BadRequestInvalidIds", 400),
        (lost, "NotFoundImage", 404),
        (broken, "BadRequestImageFormat", 400),
    ):
        refused(detecting.client.post(f"{detecting.path}/images/{image}/regionproposals"), code, status)

    def fails(photo: Pixels, most: int) -> Boxes:
        raise WeightsError("Expected the network of proposals, received none. Install dahlia again.")

    monkeypatch.setattr(proposals, "proposed", fails)
    (image,) = detecting.add(RED)
    answer = detecting.client.post(f"{detecting.path}/images/{image}/regionproposals")
    refused(answer, "ErrorRegionProposal", 500)
    assert "Install dahlia again" in answer.json()["message"]
