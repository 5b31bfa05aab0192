"""What the SDK raises: codes, statuses and messages; and what keys open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import ImageRegionCreateEntry
from contract_projects import COMPACT, NOBODY, Photos, batch_of, upload
from contract_recorder import Recorded, Refusal
from contract_server import RunningServer
from msrest.authentication import ApiKeyCredentials

pytestmark = pytest.mark.slow

ADULT = "45badf75-3591-4f26-a705-45678d3e9f5f"
GENERAL = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
DETECTION = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
REFUSED: dict[str, tuple[str, Callable[[Recorded, str], Any]]] = {
    "no domain": (
        "BadRequestProjectUnknownDomain",
        lambda sdk, _: sdk.create_project("a", domain_id=NOBODY),
    ),
    "a withdrawn domain": (
        "BadRequestProjectUnknownDomain",
        lambda sdk, _: sdk.create_project("a", domain_id=ADULT),
    ),
    "no classification": (
        "BadRequestProjectUnknownClassification",
        lambda sdk, _: sdk.create_project("a", classification_type="Some"),
    ),
    "VAIDK": (
        "BadRequestProjectUnsupportedExportPlatform",
        lambda sdk, _: sdk.create_project("a", domain_id=COMPACT, target_export_platforms=["VAIDK"]),
    ),
    "a platform of a domain that exports nothing": (
        "BadRequestProjectUnsupportedExportPlatform",
        lambda sdk, _: sdk.create_project("a", domain_id=GENERAL, target_export_platforms=["ONNX"]),
    ),
    "no name": ("BadRequestProjectName", lambda sdk, _: sdk.create_project(" ")),
    "no project": ("NotFoundProject", lambda sdk, _: sdk.get_tags(NOBODY)),
    "no id of a project": ("BadRequestInvalidIds", lambda sdk, _: sdk.get_project("mine")),
    "no tag": ("NotFoundTag", lambda sdk, project: sdk.get_tag(project, NOBODY)),
    "a tag's name": ("BadRequestTagName", lambda sdk, project: sdk.create_tag(project, " ")),
    "a tag's type": ("BadRequestTagType", lambda sdk, project: sdk.create_tag(project, "a", type="Some")),
    "no iteration": ("NotFoundIteration", lambda sdk, project: sdk.get_iteration(project, NOBODY)),
    "performance of none": (
        "NotFoundIteration",
        lambda sdk, project: sdk.get_iteration_performance(project, NOBODY),
    ),
    "publishing none": (
        "NotFoundIteration",
        lambda sdk, project: sdk.publish_iteration(project, NOBODY, "name", "resource"),
    ),
    "exporting none": (
        "NotFoundIteration",
        lambda sdk, project: sdk.export_iteration(project, NOBODY, "ONNX"),
    ),
    "exports of none": ("NotFoundIteration", lambda sdk, project: sdk.get_exports(project, NOBODY)),
    "tags of no iteration": (
        "NotFoundIteration",
        lambda sdk, project: sdk.get_tags(project, iteration_id=NOBODY),
    ),
    "suggestions of none": (
        "NotFoundIteration",
        lambda sdk, project: sdk.suggest_tags_and_regions(project, NOBODY, [NOBODY]),
    ),
    "proposals for no image": (
        "NotFoundImage",
        lambda sdk, project: sdk.get_image_region_proposals(project, NOBODY),
    ),
    "a quick test before any training": (
        "NotFoundProjectDefaultIteration",
        lambda sdk, project: sdk.quick_test_image(project, b"any"),
    ),
    "training nothing": (
        "BadRequestMultiClassClassificationTrainingValidationFailed",
        lambda sdk, project: sdk.train_project(project),
    ),
    "a token": ("BadRequestInvalidImportToken", lambda sdk, _: sdk.import_project("https://elsewhere/token")),
    "an empty batch": (
        "BadRequestImageBatch",
        lambda sdk, project: sdk.create_images_from_files(project, batch_of([])),
    ),
    "two negative tags": (
        "BadRequestMultipleNegativeTag",
        lambda sdk, project: [sdk.create_tag(project, name, type="Negative") for name in ("none", "nothing")],
    ),
    "a region of a classifier": (
        "BadRequestUnsupportedDomain",
        lambda sdk, project: sdk.create_image_regions(
            project,
            [ImageRegionCreateEntry(image_id=NOBODY, tag_id=NOBODY, left=0, top=0, width=1, height=1)],
        ),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(training: Recorded, project: str, case: str) -> None:
    code, call = REFUSED[case]
    with pytest.raises(Refusal) as caught:
        call(training, project)
    assert caught.value.error.code == code


def test_a_domain_of_another_type(training: Recorded, project: str) -> None:
    found = training.get_project(project)
    found.settings.domain_id = DETECTION
    with pytest.raises(Refusal) as caught:
        training.update_project(project, found)
    assert caught.value.error.code == "BadRequestProjectUnsupportedDomainTypeChange"
    assert training.get_project(project).settings.domain_id == COMPACT


def test_the_negative_tag_stands_alone(training: Recorded, project: str, photos: Photos) -> None:
    tags = [
        training.create_tag(project, name, type=kind).id
        for name, kind in (("a", "Regular"), ("none", "Negative"))
    ]
    summary = training.create_images_from_files(project, batch_of(photos["daisy"][:1], *tags))
    assert [one.status for one in summary.images] == ["ErrorNegativeAndRegularTagOnSameImage"]


def client_with(server: RunningServer, key: str) -> Recorded:
    return Recorded(
        CustomVisionTrainingClient(server.base, ApiKeyCredentials(in_headers={"Training-key": key}))
    )


def refusal(call: Callable[..., Any], *given: Any) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        call(*given)
    return caught.value.response.status_code, caught.value.error.code


def test_keys(
    server: RunningServer, training: Recorded, prediction: Recorded, project: str, photos: Photos
) -> None:
    with pytest.raises(Refusal) as caught:
        client_with(server, "wrong").get_domains()
    assert caught.value.response.status_code == 401
    forbidden = (403, "ForbiddenUserInsufficientCapability")
    assert refusal(client_with(server, server.prediction_key).get_projects) == forbidden

    other = training.create_project("Another", domain_id=COMPACT).id
    reader = client_with(server, server.dahlia("keys", "create", "reader", "--scope", "read"))
    assert reader.get_project(project).id == project
    assert refusal(reader.create_tag, project, "rose") == forbidden
    bound = server.dahlia("keys", "create", "bound", "--scope", "training", "--project", project)
    mine = client_with(server, bound)
    assert [one.id for one in mine.get_projects()] == [project]
    (image,) = upload(mine, project, photos["daisy"][:1])
    assert mine.get_images_by_ids(project, [image])[0].id == image
    assert refusal(mine.get_tags, other) == forbidden
    assert refusal(mine.create_project, "Mine") == forbidden

    predictor = Recorded(
        CustomVisionPredictionClient(server.base, ApiKeyCredentials(in_headers={"Prediction-key": bound}))
    )
    assert refusal(predictor.classify_image, project, "none", photos["daisy"][0]) == (
        404,
        "NotFoundIteration",
    )
    assert refusal(predictor.classify_image, other, "none", photos["daisy"][0]) == forbidden
    training.delete_project(other)
