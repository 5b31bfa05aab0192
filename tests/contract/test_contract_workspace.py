"""Domains, projects, tags, images and regions through the SDK; every answer is checked field by field."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import requests
from azure.cognitiveservices.vision.customvision.training.models import (
    ImageRegionCreateEntry,
    ImageTagCreateEntry,
    ImageUrlCreateBatch,
    ImageUrlCreateEntry,
    Region,
    TagFilter,
)
from contract_projects import COMPACT, NOBODY, Photos, batch_of, upload, wait_until
from contract_recorder import Recorded, Refusal, covers
from contract_server import RunningServer
from msrest.exceptions import HttpOperationError

from photo_server import WebServer

pytestmark = pytest.mark.slow

GENERAL = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
DETECTION = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
AUGMENTATION = (
    "rotation", "scaling", "translation", "horizontal flip", "equalize", "solarize", "padtosquare"
)  # fmt: skip


def code_of(call: Any, *given: Any, **named: Any) -> str:
    with pytest.raises(Refusal) as caught:
        call(*given, **named)
    return str(caught.value.error.code)


@covers("get_domains", "get_domain")
def test_domains(training: Recorded) -> None:
    domains = training.get_domains()
    assert len(domains) == 18
    assert len({domain.id for domain in domains}) == 18
    found = {(domain.name, domain.type): domain for domain in domains}
    # As the quickstarts look them up.
    assert found["General", "Classification"].id == GENERAL
    assert not found["General", "Classification"].exportable
    compact = found["General (compact)", "Classification"]
    assert (compact.id, compact.exportable, compact.enabled) == (COMPACT, True, True)
    assert {"ONNX", "TensorFlow", "CoreML", "DockerFile", "OpenVino"} <= set(compact.exportable_platforms)
    assert compact.model_information.estimated_model_size_in_megabytes > 0
    assert training.get_domain(COMPACT) == compact
    assert code_of(training.get_domain, NOBODY) == "NotFoundDomain"


@covers("create_project", "get_project", "get_projects", "update_project", "delete_project")
def test_projects(training: Recorded) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    made = training.create_project("Plain")
    assert (made.name, made.description, made.status, made.dr_mode_enabled) == (
        "Plain",
        "",
        "Succeeded",
        False,
    )
    assert before < made.created <= made.last_modified < before + timedelta(minutes=1)
    assert made.thumbnail_uri is None
    settings = made.settings
    assert (settings.domain_id, settings.classification_type) == (GENERAL, "Multilabel")
    assert (settings.target_export_platforms, settings.use_negative_set) == ([], True)
    assert settings.image_processing_settings.augmentation_methods == dict.fromkeys(AUGMENTATION, True)
    assert settings.detection_parameters is None
    assert training.get_project(made.id) == made
    assert made.id in [project.id for project in training.get_projects()]

    made.name, made.description = "Renamed", "with roses"
    made.settings.domain_id, made.settings.classification_type = COMPACT, "Multiclass"
    made.settings.target_export_platforms = ["ONNX"]
    changed = training.update_project(made.id, made)
    assert (changed.name, changed.description, changed.created) == ("Renamed", "with roses", made.created)
    assert (changed.settings.domain_id, changed.settings.classification_type) == (COMPACT, "Multiclass")
    assert changed.settings.target_export_platforms == ["ONNX"]
    assert changed.last_modified >= made.last_modified

    assert training.delete_project(made.id) is None
    assert code_of(training.get_project, made.id) == "NotFoundProject"


def test_the_negative_set_by_hand(training: Recorded, server: RunningServer, project: str) -> None:
    place = f"{server.base}/customvision/v3.4-preview/training/projects/{project}"
    body, key = {"settings": {"useNegativeSet": False}}, {"Training-Key": server.training_key}
    answer = requests.patch(place, json=body, headers=key, timeout=60)
    assert answer.status_code == 200, answer.text
    found = training.get_project(project)
    assert found.settings.use_negative_set is False
    assert found.settings.domain_id == COMPACT
    found.name, found.settings.use_negative_set = "Renamed", True  # which the SDK does not send
    changed = training.update_project(project, found)
    assert (changed.name, changed.settings.use_negative_set) == ("Renamed", False)
    copy = training.import_project(training.export_project(project).token)
    assert copy.settings.use_negative_set is False
    wait_until(lambda: training.get_project(copy.id).status == "Succeeded")
    training.delete_project(copy.id)


def test_a_project_with_all_options(training: Recorded) -> None:
    made = training.create_project(
        "Everything & more?",
        description="two lines",
        domain_id=COMPACT,
        classification_type="Multiclass",
        target_export_platforms=["CoreML", "TensorFlow"],
        export_model_container_uri="https://storage.example/exports",
        notification_queue_uri="https://queue.example/told",
    )
    settings = made.settings
    assert (made.name, made.description) == ("Everything & more?", "two lines")
    assert settings.target_export_platforms == ["CoreML", "TensorFlow"]
    assert settings.export_model_container_uri == "https://storage.example/exports"
    assert settings.notification_queue_uri == "https://queue.example/told"
    training.delete_project(made.id)


@covers("create_tag", "get_tag", "get_tags", "update_tag", "delete_tag")
def test_tags(training: Recorded, project: str) -> None:
    daisy = training.create_tag(project, "daisy")
    assert (daisy.name, daisy.description, daisy.type, daisy.image_count) == ("daisy", "", "Regular", 0)
    other = training.create_tag(project, "other", description="none of these", type="Negative")
    assert (other.description, other.type) == ("none of these", "Negative")
    assert training.get_tag(project, daisy.id) == daisy
    daisy.name, daisy.description = "Bellis perennis", "white"
    assert training.update_tag(project, daisy.id, daisy) == daisy
    assert {tag.name for tag in training.get_tags(project)} == {"Bellis perennis", "other"}
    assert code_of(training.create_tag, project, "other") == "BadRequestTagNameNotUnique"
    assert code_of(training.create_tag, project, "second", type="Negative") == "BadRequestMultipleNegativeTag"
    assert training.delete_tag(project, other.id) is None
    assert code_of(training.get_tag, project, other.id) == "NotFoundTag"


@covers("create_images_from_data")
def test_images_from_data(training: Recorded, project: str, photos: Photos, tmp_path: Path) -> None:
    tag = training.create_tag(project, "daisy").id
    file = tmp_path / "a daisy.jpg"
    file.write_bytes(photos["daisy"][2])
    with file.open("rb") as opened:
        given = [photos["daisy"][0], io.BytesIO(photos["daisy"][1]), opened]
        summaries = [training.create_images_from_data(project, one, tag_ids=[tag]) for one in given]
    for summary in summaries:
        (one,) = summary.images
        assert (summary.is_batch_successful, one.status) == (True, "OK")
        assert [(each.tag_id, each.tag_name) for each in one.image.tags] == [(tag, "daisy")]
    again = training.create_images_from_data(project, photos["daisy"][0])
    assert again.images[0].status == "OKDuplicate"
    assert again.images[0].image.id == summaries[0].images[0].image.id
    assert training.get_tag(project, tag).image_count == 3
    (bad,) = training.create_images_from_data(project, b"no photo").images
    assert (bad.status, bad.image) == ("ErrorImageFormat", None)


@covers("create_images_from_files", "get_images_by_ids")
def test_images_from_files(training: Recorded, project: str, photos: Photos) -> None:
    tags = [training.create_tag(project, name).id for name in ("daisy", "dahlia")]
    batch = batch_of(photos["daisy"][:2], tags[0])
    batch.images[1].contents = b"no photo"
    batch.images += batch_of(photos["dahlia"][:1]).images
    batch.images[2].tag_ids, batch.images[2].name = [NOBODY], "unknown.jpg"
    summary = training.create_images_from_files(project, batch)
    assert not summary.is_batch_successful
    assert [one.status for one in summary.images] == ["OK", "ErrorImageFormat", "ErrorInvalidTag"]
    assert [one.source_url for one in summary.images] == ["0.jpg", "1.jpg", "unknown.jpg"]
    image = summary.images[0].image
    assert summary.images[1].image is None
    decoded = cv2.imdecode(np.frombuffer(photos["daisy"][0], np.uint8), cv2.IMREAD_COLOR)
    assert (image.height, image.width) == decoded.shape[:2]
    assert training.get_images_by_ids(project, [image.id, NOBODY]) == [image]


def test_the_addresses_of_an_image_need_no_key(training: Recorded, project: str, photos: Photos) -> None:
    (identity,) = upload(training, project, photos["daisy"][:1])
    (image,) = training.get_images_by_ids(project, [identity])
    assert requests.get(image.original_image_uri, timeout=30).content == photos["daisy"][0]
    assert image.resized_image_uri == image.original_image_uri
    thumbnail = requests.get(image.thumbnail_uri, timeout=30)
    assert thumbnail.headers["content-type"] == "image/jpeg"
    assert len(thumbnail.content) < len(photos["daisy"][0])
    assert training.get_project(project).thumbnail_uri
    assert requests.get(image.original_image_uri + "0", timeout=30).status_code == 403


@covers("get_artifact")
def test_artifacts(training: Recorded, project: str, photos: Photos) -> None:
    (identity,) = upload(training, project, photos["daisy"][:1])
    (image,) = training.get_images_by_ids(project, [identity])
    # As the service names files behind a virtual network, and as its answers here do.
    for path in (f"/i-{project}/i-{identity}", image.original_image_uri):
        assert b"".join(training.get_artifact(project, path)) == photos["daisy"][0]
    with pytest.raises(HttpOperationError) as caught:  # the SDK has no error of its own for this one
        training.get_artifact(project, "/etc/passwd")
    assert caught.value.response.json()["code"] == "BadRequestInvalidArtifactUri"


@covers("create_images_from_urls")
def test_images_from_urls(training: Recorded, project: str, photos: Photos, web: WebServer) -> None:
    tag = training.create_tag(project, "daisy").id
    entries = [
        ImageUrlCreateEntry(url=f"{web.base}/photo", tag_ids=[tag]),
        ImageUrlCreateEntry(url=f"{web.base}/status/404"),
        ImageUrlCreateEntry(url=f"{web.base}/text"),
    ]
    summary = training.create_images_from_urls(project, ImageUrlCreateBatch(images=entries))
    assert [one.status for one in summary.images] == ["OK", "ErrorSource", "ErrorImageFormat"]
    assert [one.source_url for one in summary.images] == [entry.url for entry in entries]
    assert summary.images[0].image.tags[0].tag_id == tag
    assert code_of(training.create_images_from_urls, project, ImageUrlCreateBatch()) == "BadRequestImageBatch"


@covers(
    "get_images", "get_image_count", "get_tagged_images", "get_tagged_image_count",
    "get_untagged_images", "get_untagged_image_count", "delete_images",
)  # fmt: skip
def test_finding_images(training: Recorded, project: str, photos: Photos) -> None:
    daisy, dahlia = (training.create_tag(project, name).id for name in ("daisy", "dahlia"))
    daisies = upload(training, project, photos["daisy"][:3], daisy)
    dahlias = upload(training, project, photos["dahlia"][:2], dahlia)
    untagged = upload(training, project, photos["daffodil"][:2])
    everything = daisies + dahlias + untagged

    def ids(found: Any) -> list[str]:
        return [image.id for image in found]

    assert sorted(ids(training.get_images(project))) == sorted(everything)
    oldest = ids(training.get_images(project, order_by="Oldest"))
    assert ids(training.get_images(project, order_by="Newest")) == oldest[::-1]
    pages = [ids(training.get_images(project, order_by="Oldest", take=3, skip=skip)) for skip in (0, 3, 6)]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [one for page in pages for one in page] == oldest
    assert set(ids(training.get_images(project, tag_ids=[daisy, dahlia]))) == {*daisies, *dahlias}
    assert set(ids(training.get_images(project, tagging_status="Untagged"))) == set(untagged)
    assert set(ids(training.get_tagged_images(project, tag_ids=[daisy], order_by="Newest"))) == set(daisies)
    assert len(training.get_tagged_images(project, take=4)) == 4
    assert set(ids(training.get_untagged_images(project, order_by="Oldest"))) == set(untagged)
    counts = [
        training.get_image_count(project),
        training.get_image_count(project, tagging_status="Tagged"),
        training.get_image_count(project, tag_ids=[dahlia]),
        training.get_tagged_image_count(project),
        training.get_tagged_image_count(project, tag_ids=[daisy]),
        training.get_untagged_image_count(project),
    ]
    assert counts == [7, 5, 2, 5, 3, 2]
    (image,) = training.get_untagged_images(project, take=1)
    assert (image.tags, image.regions, image.metadata) == (None, None, None)

    assert training.delete_images(project, image_ids=daisies[:2]) is None
    assert training.get_image_count(project) == 5
    assert training.delete_images(project, all_images=True, all_iterations=True) is None
    assert training.get_image_count(project) == 0


@covers("update_image_metadata")
def test_metadata(training: Recorded, project: str, photos: Photos) -> None:
    batch = batch_of(photos["daisy"][:2], metadata={"shelf": "3"})
    made = [one.image for one in training.create_images_from_files(project, batch).images]
    assert [image.metadata for image in made] == [{"shelf": "3"}] * 2
    summary = training.update_image_metadata(project, [made[0].id, NOBODY], {"row": "it's", "shelf": "4"})
    assert not summary.is_batch_successful
    assert {one.image_id: one.status for one in summary.images} == {
        made[0].id: "OK",
        NOBODY: "ErrorImageNotFound",
    }
    assert summary.images[0].metadata == {"row": "it's", "shelf": "4"}
    found = training.get_images(project, filter="metadata=shelf eq '3' and row ne 'x'")
    assert [image.id for image in found] == [made[1].id]
    assert training.get_image_count(project, filter="metadata=shelf eq '3' or row eq 'it''s'") == 2


@covers("create_image_tags", "delete_image_tags")
def test_tagging(training: Recorded, photos: Photos) -> None:
    project = training.create_project("Several tags").id
    tags = [training.create_tag(project, name).id for name in ("daisy", "white")]
    images = upload(training, project, photos["daisy"][:2], tags[0])
    entries = [ImageTagCreateEntry(image_id=image, tag_id=tag) for image in images for tag in tags]
    summary = training.create_image_tags(project, tags=entries)
    assert [(one.image_id, one.tag_id) for one in summary.created] == [(image, tags[1]) for image in images]
    assert [(one.image_id, one.tag_id) for one in summary.duplicated] == [(one, tags[0]) for one in images]
    assert summary.exceeded == []
    assert training.delete_image_tags(project, images, tags[:1]) is None
    (first, second) = training.get_images_by_ids(project, images)
    assert [[tag.tag_name for tag in image.tags] for image in (first, second)] == [["white"], ["white"]]
    training.delete_project(project)


@covers("create_image_regions", "delete_image_regions", "get_image_region_proposals")
def test_regions(training: Recorded, photos: Photos) -> None:
    project = training.create_project("Boxes", domain_id=DETECTION).id
    tag = training.create_tag(project, "daisy").id
    box = {"left": 0.1, "top": 0.25, "width": 0.5, "height": 0.375}
    batch = batch_of(photos["daisy"][:2])
    batch.images[0].regions = [Region(tag_id=tag, **box)]
    first, second = (one.image for one in training.create_images_from_files(project, batch).images)
    assert [(one.left, one.width, one.tag_name) for one in first.regions] == [(0.1, 0.5, "daisy")]
    entries = [ImageRegionCreateEntry(image_id=image.id, tag_id=tag, **box) for image in (first, second)]
    summary = training.create_image_regions(project, regions=entries)
    (made,) = summary.created
    assert (made.image_id, made.tag_name, made.top, made.height) == (second.id, "daisy", 0.25, 0.375)
    assert [one.image_id for one in summary.duplicated] == [first.id]
    (image,) = training.get_images_by_ids(project, [second.id])
    assert [tag.tag_name for tag in image.tags] == ["daisy"]
    assert [region.region_id for region in image.regions] == [made.region_id]
    proposed = training.get_image_region_proposals(project, second.id)
    assert (proposed.project_id, proposed.image_id) == (project, second.id)
    confidences = [one.confidence for one in proposed.proposals]
    assert confidences == sorted(confidences, reverse=True)
    for one in proposed.proposals:
        where = one.bounding_box
        assert 0 <= where.left < where.left + where.width <= 1 + 1e-6
        assert 0 <= where.top < where.top + where.height <= 1 + 1e-6
    assert training.delete_image_regions(project, [made.region_id]) is None
    (image,) = training.get_images_by_ids(project, [second.id])
    assert (image.tags, image.regions) == (None, None)
    assert code_of(training.train_project, project).startswith("BadRequest")
    training.delete_project(project)


def test_what_images_are_refused_with(training: Recorded, project: str, photos: Photos) -> None:
    tag = training.create_tag(project, "daisy").id
    rows: list[tuple[str, Any, tuple[Any, ...], dict[str, Any]]] = [
        ("NotFoundProject", training.get_images, (NOBODY,), {}),
        ("NotFoundIteration", training.get_images, (project,), {"iteration_id": NOBODY}),
        ("BadRequestInvalid", training.get_images, (project,), {"filter": "shelf is '3'"}),
        ("NotFoundImage", training.create_image_tags, (project,),
         {"tags": [ImageTagCreateEntry(image_id=NOBODY, tag_id=tag)]}),
        ("NotFoundIteration", training.query_suggested_image_count, (project, NOBODY), {"tag_ids": [tag]}),
    ]  # fmt: skip
    for code, call, given, named in rows:
        assert code_of(call, *given, **named) == code, (code, given, named)
    many = batch_of([photos["daisy"][0]] * 65)
    assert code_of(training.create_images_from_files, project, many).startswith("BadRequest")


def test_the_filter_of_suggestions_is_the_sdks() -> None:
    assert set(TagFilter(tag_ids=[], threshold=0).serialize()) == {"tagIds", "threshold"}
