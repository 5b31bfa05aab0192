"""Trainings through the SDK, and what comes of them: figures, predictions, suggestions, exports, copies."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from azure.cognitiveservices.vision.customvision.training.models import (
    CustomBaseModelInfo,
    ImageIdCreateBatch,
    ImageIdCreateEntry,
    PredictionQueryTag,
    PredictionQueryToken,
    SuggestedTagAndRegionQueryToken,
)
from contract_projects import (
    NOBODY,
    PREDICTION_ID,
    TAGS,
    TRAINED,
    Photos,
    Trained,
    upload,
    wait_until,
)
from contract_recorder import Recorded, Refusal, covers
from contract_server import RunningServer
from exported_models import probabilities_of

from photo_server import WebServer

pytestmark = pytest.mark.slow


@contextmanager
def published(training: Recorded, trained: Trained, name: str) -> Iterator[str]:
    training.publish_iteration(trained.project, trained.iteration, name, PREDICTION_ID)
    yield name
    training.unpublish_iteration(trained.project, trained.iteration)


def scores_of(answer: Any) -> dict[str, float]:
    """The probabilities by tag; the largest comes first, and what is missing to 1 is that of none."""
    scores = {one.tag_name: one.probability for one in answer.predictions}
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert 0.5 < sum(scores.values()) <= 1 + 1e-4
    return scores


@covers("train_project", "get_iterations", "get_iteration", "update_iteration")
def test_training(training: Recorded, trained: Trained) -> None:
    started = trained.started
    assert (started.name, started.status, started.training_type) == ("Iteration 1", "Training", "Regular")
    assert (started.domain_id, started.classification_type, started.trained_at) == (None, None, None)
    (listed,) = training.get_iterations(trained.project)
    done = training.get_iteration(trained.project, trained.iteration)
    assert (listed, done.status, done.exportable) == (done, "Completed", True)
    assert done.created <= done.trained_at <= datetime.now(UTC)
    project = training.get_project(trained.project)
    assert done.domain_id == project.settings.domain_id
    assert (done.classification_type, done.project_id) == ("Multiclass", project.id)
    assert done.exportable_to == training.get_domain(done.domain_id).exportable_platforms
    assert (done.publish_name, done.custom_base_model_info, done.training_error_details) == (None, None, None)
    renamed = training.update_iteration(trained.project, trained.iteration, name="The first")
    assert (renamed.name, renamed.trained_at) == ("The first", done.trained_at)


def test_what_training_is_refused_with(training: Recorded, trained: Trained, project: str) -> None:
    base = CustomBaseModelInfo(project_id=project, iteration_id=NOBODY)
    rows: list[tuple[str, str, dict[str, Any]]] = [
        ("BadRequestTrainingNotNeeded", trained.project, {}),
        ("BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining", trained.project,
         {"training_type": "Advanced"}),
        ("BadRequestInvalidEmailAddress", trained.project, {"notification_email_address": "nobody"}),
        ("NotFoundTag", trained.project, {"selected_tags": [NOBODY]}),
        ("NotFoundIteration", trained.project, {"custom_base_model_info": base}),
        ("BadRequestMultiClassClassificationTrainingValidationFailed", project, {}),
        ("NotFoundProject", NOBODY, {}),
    ]  # fmt: skip
    for code, where, named in rows:
        with pytest.raises(Refusal) as caught:
            training.train_project(where, **named)
        assert caught.value.error.code == code, named
        if code == "BadRequestTrainingNotNeeded":  # programs look for these words
            assert "Nothing changed since last training" in caught.value.message


def test_too_few_images_say_so(training: Recorded, project: str, photos: Photos) -> None:
    for name in TAGS:
        upload(training, project, photos[name][:4], training.create_tag(project, name).id)
    with pytest.raises(Refusal, match="Not enough images"):
        training.train_project(project)


@covers("get_iteration_performance")
def test_the_performance_at_any_threshold(training: Recorded, trained: Trained) -> None:
    plain = training.get_iteration_performance(trained.project, trained.iteration)
    for threshold, overlap in ((0.0, 0.3), (0.5, 0.0), (1.0, 1.0)):
        found = training.get_iteration_performance(trained.project, trained.iteration, threshold, overlap)
        assert {tag.name: tag.id for tag in found.per_tag_performance} == trained.tags
        for one in (found, *found.per_tag_performance):
            assert 0 <= min(one.precision, one.recall) <= max(one.precision, one.recall) <= 1
            assert one.average_precision > 0.5
        if threshold == 0:
            assert found.recall == 1
        if threshold == 0.5:
            assert found == plain


@covers("get_image_performances", "get_image_performance_count")
def test_the_performance_of_images(training: Recorded, trained: Trained) -> None:
    place = trained.project, trained.iteration
    everything = training.get_image_performances(*place, order_by="Oldest")
    assert {one.id for one in everything} == {one for some in trained.images.values() for one in some}
    assert training.get_image_performance_count(*place) == len(everything) == 2 * TRAINED
    for one in everything:
        (tag,) = one.tags
        assert one.id in trained.images[tag.tag_name]
        assert set(scores_of(one)) == set(TAGS)
        assert {prediction.tag_type for prediction in one.predictions} == {"Regular"}
    assert requests.get(everything[0].image_uri, timeout=30).content.startswith(b"\xff\xd8")
    daisies = training.get_image_performances(*place, tag_ids=[trained.tags["daisy"]], take=2, skip=1)
    assert len(daisies) == 2
    assert training.get_image_performance_count(*place, tag_ids=[trained.tags["daisy"]]) == TRAINED


def test_an_iteration_keeps_what_it_saw(training: Recorded, trained: Trained, photos: Photos) -> None:
    place = {"iteration_id": trained.iteration}
    extra = upload(training, trained.project, [photos["daisy"][7]], trained.tags["daisy"])
    new_tag = training.create_tag(trained.project, "new")
    assert {
        tag.name: tag.image_count for tag in training.get_tags(trained.project, **place)
    } == dict.fromkeys(TAGS, TRAINED)
    assert training.get_tag(trained.project, trained.tags["daisy"], **place).image_count == TRAINED
    assert training.get_tag(trained.project, trained.tags["daisy"]).image_count == TRAINED + 1
    assert training.get_tagged_image_count(trained.project, **place) == 2 * TRAINED
    assert extra[0] not in [one.id for one in training.get_tagged_images(trained.project, take=256, **place)]
    training.delete_images(trained.project, image_ids=extra)
    training.delete_tag(trained.project, new_tag.id)


@covers(
    "publish_iteration", "unpublish_iteration", "classify_image", "classify_image_with_no_store",
    "classify_image_url", "classify_image_url_with_no_store",
)  # fmt: skip
def test_publishing_and_predicting(
    training: Recorded, prediction: Recorded, trained: Trained, photos: Photos, web: WebServer
) -> None:
    place = trained.project, trained.iteration
    assert training.publish_iteration(*place, "the model", PREDICTION_ID) is True
    iteration = training.get_iteration(*place)
    assert (iteration.publish_name, iteration.original_publish_resource_id) == ("the model", PREDICTION_ID)
    before = datetime.now(UTC) - timedelta(seconds=1)
    answers = [
        prediction.classify_image(trained.project, "the model", photos["daisy"][8], application="contract"),
        prediction.classify_image_with_no_store(
            trained.project, "the model", io.BytesIO(photos["daisy"][8])
        ),
        prediction.classify_image_url(trained.project, "the model", url=f"{web.base}/photo"),
        prediction.classify_image_url_with_no_store(
            trained.project, "the model", url=f"{web.base}/photo"
        ),
    ]  # fmt: skip
    for answer in answers:
        assert (answer.project, answer.iteration) == place
        assert before <= answer.created <= datetime.now(UTC)
        assert scores_of(answer) == scores_of(answers[0])
        assert {one.tag_name: one.tag_id for one in answer.predictions} == trained.tags
    assert len({answer.id for answer in answers}) == len(answers)

    for call, code in (
        (
            lambda: training.publish_iteration(*place, "another", PREDICTION_ID),
            "BadRequestIterationIsPublished",
        ),
        (lambda: training.delete_iteration(*place), "BadRequestIterationIsPublished"),
        (lambda: training.publish_iteration(*place, "", PREDICTION_ID), "BadRequestInvalidPublishName"),
        (lambda: prediction.classify_image(trained.project, "the model", b"no"), "BadRequestImageFormat"),
    ):
        with pytest.raises(Refusal) as caught:
            call()
        assert caught.value.error.code == code
    assert training.publish_iteration(*place, "another", PREDICTION_ID, overwrite=True) is True
    assert training.unpublish_iteration(*place) is None
    with pytest.raises(Refusal, match="Invalid iteration"):
        prediction.classify_image(trained.project, "another", photos["daisy"][8])


def test_a_classifier_detects_nothing(
    training: Recorded, prediction: Recorded, trained: Trained, photos: Photos, web: WebServer
) -> None:
    with published(training, trained, "the model") as name:
        for store in ("", "_with_no_store"):
            for what, image in (("", photos["daisy"][8]), ("_url", f"{web.base}/photo")):
                with pytest.raises(Refusal, match="Invalid project type for operation") as caught:
                    getattr(prediction, f"detect_image{what}{store}")(trained.project, name, image)
                assert caught.value.error.code == "BadRequestOperationNotSupported"


@covers("quick_test_image", "quick_test_image_url")
def test_quick_tests(training: Recorded, trained: Trained, photos: Photos, web: WebServer) -> None:
    answers = [
        training.quick_test_image(trained.project, photos["daisy"][8], store=False),
        training.quick_test_image(trained.project, photos["daisy"][8], iteration_id=trained.iteration),
        training.quick_test_image_url(trained.project, f"{web.base}/photo", store=False),
    ]
    for answer in answers:
        assert (answer.project, answer.iteration) == (trained.project, trained.iteration)
        assert scores_of(answer) == scores_of(answers[0])


@covers("query_predictions", "create_images_from_predictions", "delete_prediction")
def test_stored_predictions(
    training: Recorded, prediction: Recorded, trained: Trained, photos: Photos
) -> None:
    project, daisy = trained.project, trained.tags["daisy"]
    with published(training, trained, "kept") as name:
        sent = [
            prediction.classify_image(project, name, photo, application="shelf").id
            for photo in (photos["daisy"][7], photos["dahlia"][7], photos["dahlia"][8])
        ]
        prediction.classify_image_with_no_store(project, name, photos["daffodil"][0], application="shelf")

    def asked(**query: Any) -> Any:
        return training.query_predictions(project, PredictionQueryToken(application="shelf", **query))

    wait_until(lambda: len(asked(order_by="Newest").results) == len(sent))
    assert [one.id for one in asked(order_by="Newest").results] == sent[::-1]
    pages, token = [], PredictionQueryToken(application="shelf", order_by="Oldest", max_count=2)
    while True:
        page = training.query_predictions(project, token)
        pages.append([one.id for one in page.results])
        token = page.token
        if not token.continuation:
            break
    assert pages == [sent[:2], sent[2:]]
    (first, *_) = asked(order_by="Oldest").results
    assert requests.get(first.original_image_uri, timeout=30).content == photos["daisy"][7]
    assert first.domain == training.get_project(project).settings.domain_id
    assert asked(order_by="Suggested").results
    sure = PredictionQueryTag(id=daisy, min_threshold=scores_of(first)["daisy"] - 1e-6, max_threshold=1)
    assert sent[0] in [one.id for one in asked(tags=[sure]).results]
    assert asked(start_time=datetime.now(UTC) + timedelta(hours=1)).results == []

    batch = ImageIdCreateBatch(
        images=[ImageIdCreateEntry(id=sent[0], tag_ids=[daisy]), ImageIdCreateEntry(id=NOBODY)]
    )
    summary = training.create_images_from_predictions(project, batch)
    assert [(one.source_url, one.status) for one in summary.images] == [
        (sent[0], "OK"),
        (NOBODY, "ErrorSource"),
    ]
    image = summary.images[0].image
    assert image.id != sent[0]
    assert [tag.tag_id for tag in image.tags] == [daisy]
    training.delete_images(project, image_ids=[image.id])
    assert [one.id for one in asked(order_by="Oldest").results] == sent[1:]
    assert training.delete_prediction(project, sent[1:]) is None
    assert asked().results == []


@covers("suggest_tags_and_regions", "query_suggested_images", "query_suggested_image_count")
def test_suggestions(training: Recorded, trained: Trained, photos: Photos) -> None:
    place = trained.project, trained.iteration
    suggested = training.suggest_tags_and_regions(*place, list(trained.untagged))
    assert [one.id for one in suggested] == list(trained.untagged)
    for one, tag in zip(suggested, TAGS, strict=True):
        tested = training.quick_test_image(trained.project, photos[tag][TRAINED], store=False)
        assert scores_of(one) == pytest.approx(scores_of(tested), abs=1e-6)
    assert all(0 < one.prediction_uncertainty <= 1 for one in suggested)
    tags = list(trained.tags.values())
    unsure = {one.id: one.prediction_uncertainty for one in suggested}
    query = SuggestedTagAndRegionQueryToken(
        tag_ids=tags, threshold=0, max_count=1, sort_by="UncertaintyDescending"
    )
    found = []
    while True:
        page = training.query_suggested_images(*place, query)
        found += page.results
        query = page.token
        if not query.continuation:
            break
    assert [one.id for one in found] == sorted(unsure, key=lambda one: -unsure[one])
    assert {one.id: one.prediction_uncertainty for one in found} == unsure
    counts = training.query_suggested_image_count(*place, tag_ids=tags, threshold=0.5)
    assert counts == {
        tag: sum(scores_of(one)[name] >= 0.5 for one in suggested) for name, tag in trained.tags.items()
    }
    assert set(training.query_suggested_image_count(*place, tag_ids=tags[:1], threshold=0.5)) == {tags[0]}


@covers("export_iteration", "get_exports")
def test_exports(training: Recorded, prediction: Recorded, trained: Trained, photos: Photos) -> None:
    place = trained.project, trained.iteration
    started = training.export_iteration(*place, "ONNX")
    assert (started.platform, started.flavor, started.status) == ("ONNX", None, "Exporting")
    assert (started.download_uri, started.newer_version_available) == (None, False)

    def done() -> Any:
        (export,) = [
            one
            for one in training.get_exports(*place)
            if (one.platform, one.flavor) == (started.platform, started.flavor)
        ]
        assert export.status != "Failed"
        return export if export.status == "Done" else None

    export = wait_until(done)
    for platform, flavor, code in (
        ("ONNX", None, "BadRequestExportAlreadyInProgress"),
        ("VAIDK", None, "BadRequestNotSupported"),
        ("TensorFlow", "ARM", "BadRequestExportValidationFailed"),
    ):
        with pytest.raises(Refusal) as caught:
            training.export_iteration(*place, platform, flavor)
        assert caught.value.error.code == code
    with zipfile.ZipFile(io.BytesIO(requests.get(export.download_uri, timeout=30).content)) as opened:
        assert opened.testzip() is None
        assert {"model.onnx", "cvexport.manifest", "labels.txt", "LICENSE"} <= set(opened.namelist())
        manifest = json.loads(opened.read("cvexport.manifest"))
        model, labels = opened.read("model.onnx"), opened.read("labels.txt").decode()
    assert (manifest["Platform"], manifest["IterationId"]) == ("ONNX", trained.iteration)
    with published(training, trained, "exported") as name:
        answered = scores_of(prediction.classify_image(trained.project, name, photos["daisy"][8]))
    computed = probabilities_of(model, labels.splitlines(), photos["daisy"][8])
    assert computed == pytest.approx(answered, abs=2e-3)


@covers("export_project", "import_project", "delete_iteration")
def test_copying_a_project(
    training: Recorded, prediction: Recorded, trained: Trained, photos: Photos
) -> None:
    offer = training.export_project(trained.project)
    assert (offer.iteration_count, offer.image_count) == (1, 2 * TRAINED + 2)
    assert (offer.tag_count, offer.region_count) == (2, 0)
    begun = training.import_project(offer.token)
    assert (begun.name, begun.status, begun.thumbnail_uri) == ("Trained (1)", "Importing", None)

    def ended() -> Any:
        now = training.get_project(begun.id)
        return now if now.status != "Importing" else None

    copy = wait_until(ended)
    assert copy.status == "Succeeded"
    assert {tag.name: tag.image_count for tag in training.get_tags(copy.id)} == dict.fromkeys(TAGS, TRAINED)
    (iteration,) = training.get_iterations(copy.id)
    original = training.get_iteration(trained.project, trained.iteration)
    assert iteration.id != original.id
    assert (iteration.name, iteration.trained_at) == (original.name, original.trained_at)
    assert (iteration.status, iteration.publish_name) == ("Completed", None)
    training.publish_iteration(copy.id, iteration.id, "copy", PREDICTION_ID)
    answer = prediction.classify_image(copy.id, "copy", photos["daisy"][8])
    assert scores_of(answer) == scores_of(
        training.quick_test_image(trained.project, photos["daisy"][8], store=False)
    )
    training.unpublish_iteration(copy.id, iteration.id)
    assert training.delete_iteration(copy.id, iteration.id) is None
    with pytest.raises(Refusal) as caught:
        training.get_iteration(copy.id, iteration.id)
    assert caught.value.error.code == "NotFoundIteration"
    with pytest.raises(Refusal) as caught:
        training.import_project("anything", name="Mine")
    assert caught.value.error.code == "BadRequestInvalidImportToken"
    training.delete_project(copy.id)


def test_what_trainings_leave_is_for_the_servers_user_alone(server: RunningServer, trained: Trained) -> None:
    assert trained.iteration
    places = [path for path in (server.home, *server.home.rglob("*")) if not path.is_symlink()]
    kept = [path for path in places if path.exists() and ".dahlia/dvc/site" not in path.as_posix()]
    open_ones = [path.relative_to(server.home).as_posix() for path in kept if path.stat().st_mode & 0o077]
    # DVC gives what it keeps 0444, whatever the umask; nobody else enters the folders that it is in.
    assert [path for path in open_ones if "/.dvc/cache/files/" not in path] == []
    assert {path.name for path in server.home.iterdir()} >= {
        "mlflow.db",
        "mlartifacts",
        "workspaces",
        "cache",
    }
