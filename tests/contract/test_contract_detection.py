"""Detectors through the SDK: predictions with boxes, quick tests, suggestions, training images."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.training.models import (
    ImageIdCreateBatch,
    ImageIdCreateEntry,
    PredictionQueryTag,
    PredictionQueryToken,
    Region,
    SuggestedTagAndRegionQueryToken,
)
from contract_projects import NOBODY, PREDICTION_ID, Detecting, upload, wait_until
from contract_recorder import Recorded, Refusal, covers
from prediction_cases import GREY, picture

from photo_server import WebServer, photo_server

pytestmark = pytest.mark.slow

RED = (255, 0, 0)
NAME = "the detector"


@pytest.fixture(scope="module")
def red_photo() -> Iterator[WebServer]:
    with photo_server(picture(RED)) as server:
        yield server


@pytest.fixture(scope="module")
def published(training: Recorded, detecting: Detecting) -> Iterator[str]:
    training.publish_iteration(detecting.project, detecting.iteration, NAME, PREDICTION_ID)
    yield NAME
    training.unpublish_iteration(detecting.project, detecting.iteration)


def boxes_of(answer: Any) -> list[tuple[Any, ...]]:
    """Tags, probabilities and places: those of a tag together, the most probable first."""
    found = [
        (one.tag_name, one.probability, *one.bounding_box.as_dict().values()) for one in answer.predictions
    ]
    names = [name for name, *_ in found]
    assert names == sorted(names, key=names.index)
    for name in set(names):
        scores = [score for tag, score, *_ in found if tag == name]
        assert scores == sorted(scores, reverse=True)
    for _, score, left, top, width, height in found:
        assert 0 < score <= 1
        assert 0 <= left < left + width <= 1 + 1e-6
        assert 0 <= top < top + height <= 1 + 1e-6
    return found


@covers("detect_image", "detect_image_with_no_store", "detect_image_url", "detect_image_url_with_no_store")
def test_predictions(
    prediction: Recorded, detecting: Detecting, published: str, red_photo: WebServer
) -> None:
    answers = [
        prediction.detect_image(detecting.project, published, picture(RED), application="contract"),
        prediction.detect_image_with_no_store(detecting.project, published, io.BytesIO(picture(RED))),
        prediction.detect_image_url(detecting.project, published, url=f"{red_photo.base}/photo"),
        prediction.detect_image_url_with_no_store(
            detecting.project, published, url=f"{red_photo.base}/photo"
        ),
    ]
    for answer in answers:
        assert (answer.project, answer.iteration) == (detecting.project, detecting.iteration)
        assert boxes_of(answer) == boxes_of(answers[0])
        assert {one.tag_id for one in answer.predictions} == {detecting.tags["red"]}
        assert {one.tag_type for one in answer.predictions} == {"Regular"}
    for store in ("", "_with_no_store"):
        with pytest.raises(Refusal, match="Invalid project type for operation") as caught:
            getattr(prediction, f"classify_image{store}")(detecting.project, published, picture(RED))
        assert caught.value.error.code == "BadRequestOperationNotSupported"


@covers("quick_test_image", "quick_test_image_url")
def test_quick_tests(training: Recorded, detecting: Detecting, red_photo: WebServer) -> None:
    place, address = detecting.project, f"{red_photo.base}/photo"
    answers = [
        training.quick_test_image(place, picture(RED), store=False),
        training.quick_test_image(place, picture(RED), iteration_id=detecting.iteration, store=False),
        training.quick_test_image_url(place, address, store=False),
    ]
    for answer in answers:
        assert (answer.project, answer.iteration) == (detecting.project, detecting.iteration)
        assert [name for name, *_ in boxes_of(answer)] == ["red", "red"]


@covers("query_predictions", "create_images_from_predictions", "delete_prediction")
def test_stored_predictions(
    training: Recorded, prediction: Recorded, detecting: Detecting, published: str
) -> None:
    project, red, green = detecting.project, detecting.tags["red"], detecting.tags["green"]
    sent = [
        prediction.detect_image(project, published, picture(colour), application="shelf")
        for colour in (RED, GREY)
    ]

    def asked(**query: Any) -> list[Any]:
        token = PredictionQueryToken(application="shelf", order_by="Oldest", **query)
        return list(training.query_predictions(project, token).results)

    wait_until(lambda: len(asked()) == len(sent))
    assert [boxes_of(one) for one in asked()] == [boxes_of(one) for one in sent]
    named = [PredictionQueryTag(id=green, min_threshold=0, max_threshold=1)]
    assert [one.id for one in asked(tags=named)] == [sent[1].id]
    regions = [
        Region(tag_id=one.tag_id, **one.bounding_box.as_dict())
        for one in sent[0].predictions
        if one.probability > 0.5
    ]
    entries = [
        ImageIdCreateEntry(id=sent[0].id, regions=regions),
        ImageIdCreateEntry(id=sent[1].id, regions=[Region(tag_id=NOBODY, left=0, top=0, width=1, height=1)]),
    ]
    summary = training.create_images_from_predictions(project, ImageIdCreateBatch(images=entries))
    assert [(one.source_url, one.status) for one in summary.images] == [
        (sent[0].id, "OK"),
        (sent[1].id, "ErrorInvalidTag"),
    ]
    image = summary.images[0].image
    assert [(one.tag_id, one.tag_name) for one in image.regions] == [(red, "red")]
    assert [one.tag_name for one in image.tags] == ["red"]
    training.delete_images(project, image_ids=[image.id])
    assert [one.id for one in asked()] == [sent[1].id]
    assert training.delete_prediction(project, [sent[1].id]) is None
    assert asked() == []


@covers("suggest_tags_and_regions", "query_suggested_images", "query_suggested_image_count")
def test_suggestions(training: Recorded, detecting: Detecting) -> None:
    place = detecting.project, detecting.iteration
    red, green = detecting.tags["red"], detecting.tags["green"]
    images = upload(training, detecting.project, [picture(RED), picture(GREY)])
    suggested = training.suggest_tags_and_regions(*place, images)
    assert [one.id for one in suggested] == images
    assert [{name for name, *_ in boxes_of(one)} for one in suggested] == [{"red"}, {"red", "green", "blue"}]
    sure, unsure = (one.prediction_uncertainty for one in suggested)
    assert 0 < sure < unsure <= 1

    def found(*tag_ids: str, threshold: float = 0.0, sort_by: str | None = None) -> list[str]:
        query = SuggestedTagAndRegionQueryToken(
            tag_ids=tag_ids, threshold=threshold, max_count=10, sort_by=sort_by
        )
        results = training.query_suggested_images(*place, query).results
        for one in results:
            assert boxes_of(one) == boxes_of(suggested[images.index(one.id)])
        return [one.id for one in results]

    assert found(red) == images
    assert found(red, green, sort_by="UncertaintyDescending") == images[::-1]
    assert found(red, threshold=0.5) == images[:1]
    assert found(green) == images[1:]
    assert training.query_suggested_image_count(*place, tag_ids=[red, green], threshold=0.3) == {
        red: 2,
        green: 1,
    }
    training.delete_images(detecting.project, image_ids=images)
