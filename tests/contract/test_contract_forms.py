"""Uploads as scripts write them without the SDK, and links of answers given back as addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from azure.cognitiveservices.vision.customvision.training.models import (
    ImageUrlCreateBatch,
    ImageUrlCreateEntry,
)
from contract_projects import Photos
from contract_recorder import Recorded
from contract_server import RunningServer

pytestmark = pytest.mark.slow


@pytest.fixture
def http(server: RunningServer, project: str) -> Iterator[httpx.Client]:
    """A client without the SDK, at the project."""
    base = f"{server.base}/customvision/v3.3/training/projects/{project}"
    with httpx.Client(base_url=base, headers={"Training-Key": server.training_key}) as client:
        yield client


def test_uploads_without_the_sdk(
    http: httpx.Client, training: Recorded, project: str, photos: Photos
) -> None:
    tag = training.create_tag(project, "daisy").id
    first, second, third, fourth, fifth = photos["daisy"][:5]
    multipart = {"Content-Type": "multipart/form-data"}
    hand_written = (
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n' + fourth + b"\r\n--b--"
    )
    ways: list[tuple[dict[str, Any], int]] = [
        ({"files": {"file": first}, "data": {"tagIds": tag}}, 1),
        ({"files": [("image", second), ("imageData[]", fifth)], "params": {"tagIds": tag}}, 2),
        ({"content": third, "headers": multipart, "params": {"tagIds": tag}}, 1),  # the portal's curl
        ({"content": hand_written, "headers": {"Content-Type": "application/octet-stream"}}, 1),
    ]
    for given, count in ways:
        answer = http.post("/images", **given)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["images"]) == count
    assert training.get_tagged_image_count(project) == 4
    assert training.get_untagged_image_count(project) == 1


def test_links_of_answers_are_addresses_of_images(training: Recorded, project: str, photos: Photos) -> None:
    image = training.create_images_from_data(project, photos["daisy"][0]).images[0].image
    links = [image.original_image_uri, image.thumbnail_uri]
    batch = ImageUrlCreateBatch(images=[ImageUrlCreateEntry(url=link) for link in [*links, links[1] + "x"]])
    summary = training.create_images_from_urls(project, batch)
    assert [one.status for one in summary.images] == ["OKDuplicate", "OK", "ErrorSource"]
    assert [one.source_url for one in summary.images[:2]] == links
