"""What trainings found out, heat maps, and projects at a glance, below `/dahlia/v1`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from own_cases import OWN, REPORT, WRONG, Own
from prediction_cases import SURE, picture
from project_cases import UNKNOWN
from sqlalchemy import event, select

from dahlia.evaluation.detection.evaluation import evaluate_detector
from dahlia.params import EvaluateParams
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.jobs.training_data import EVALUATION, VALIDATION, artifact_key
from dahlia.server.keys.keys import Scope
from generated_boxes import written

pytestmark = pytest.mark.both_databases

OCTETS = {"content-type": "application/octet-stream"}


def test_the_evaluation_names_images(own: Own) -> None:
    found = own.client.get(own.path + "/evaluation").json()
    assert found["heldOut"]["overall"]["accuracy"].keys() == {"value", "low", "high", "images"}
    assert found["classification"] == "multiclass"
    ids = {image for images in own.case.images.values() for image, _ in images}
    mistakes = found["heldOut"]["mistakes"]
    assert len(mistakes) >= WRONG
    assert {one["imageId"] for one in mistakes} <= ids
    assert {one["imageId"] for one in found["labelIssues"]} <= ids
    assert all("/files/thumbnails/" in one["thumbnailUri"] for one in mistakes)


def classified(own: Own, classification: str | None) -> str | None:
    """Change what the iteration's model says; what it said before."""
    with own.server.database.write() as session:
        row = session.scalars(select(IterationRow).where(IterationRow.id == own.iteration)).one()
        before, row.classification = row.classification, classification
    return before


def test_the_evaluation_of_a_detector_names_images(own: Own) -> None:
    images = own.case.images["red"]
    truth = [[(0, 0.1, 0.1, 0.5, 0.5)] for _ in images]
    found = [[(0, 0.1, 0.1, 0.5, 0.5, 0.9)] for _ in images]
    found[0] = [(0, 0.7, 0.7, 0.2, 0.2, 0.95)]
    truth[1], found[1] = [], [(0, 0.1, 0.1, 0.5, 0.5, 0.99)]
    predictions = replace(written(truth, found, tags=("red",)), ids=tuple(sha256 for _, sha256 in images))
    rules = EvaluateParams(
        threshold=0.5, overlap=0.3, confidence=0.95, bootstrap_samples=20, calibration_bins=5, worst_images=6
    )
    judged = evaluate_detector(predictions, rules, seed=1)
    key = artifact_key(own.iteration, EVALUATION)
    before = own.server.storage.get(key)
    classification = classified(own, None)
    own.server.storage.put(key, judged.model_dump_json().encode())
    try:
        said = own.client.get(own.path + "/evaluation").json()
    finally:  # others read what the training of a classifier left
        own.server.storage.put(key, before)
        classified(own, classification)
    assert (said["classification"], said["overlap"]) == ("detection", 0.3)
    assert said["heldOut"]["overall"]["map50"].keys() == {"value", "low", "high", "images"}
    mistakes = said["heldOut"]["mistakes"]
    assert {one["imageId"] for one in mistakes} == {images[0][0], images[1][0]}
    assert {fault["fault"] for one in mistakes for fault in one["faults"]} == {"missed", "nothing_there"}
    assert all("/files/thumbnails/" in one["thumbnailUri"] for one in mistakes)
    assert next(one["imageId"] for one in said["labelIssues"] if one["problem"] == "missing") == images[1][0]
    assert "/files/" in said["reportUri"]


@pytest.mark.parametrize("name", ["evaluation", "validation"])
def test_a_report_opens_with_a_key_or_with_its_link(own: Own, name: str) -> None:
    own_route = "/report" if name == "evaluation" else "/validation/report"
    link = own.client.get(f"{own.path}/{name}").json()["reportUri"]
    plain = {"Training-Key": ""}
    for answer in (own.client.get(own.path + own_route), own.client.get(link, headers=plain)):
        assert (answer.status_code, answer.content) == (200, REPORT)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert policy.endswith("; sandbox")
        assert "script" not in policy
        assert (answer.headers["referrer-policy"], answer.headers["x-content-type-options"]) == (
            "no-referrer",
            "nosniff",
        )
    bare = urlsplit(link)._replace(query="").geturl()
    assert own.client.get(bare).status_code == 403
    other = link.replace(f"{name}.html", "model.json")
    assert own.client.get(other, headers=plain).status_code == 403
    head = own.client.head(link, headers=plain)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(REPORT)))


def test_the_validation_names_images(own: Own) -> None:
    found = own.client.get(own.path + "/validation").json()
    (finding,) = found["findings"]
    assert [one["imageId"] for one in finding["images"]] == [image for image, _ in own.case.images["red"][:2]]
    assert (finding["code"], finding["whatToDo"]) == ("near-duplicate", "Take one out.")
    assert {"tag": "red", "train": 10, "test": 0, "groups": None} in found["tags"]
    assert found["groups"] is None  # as in reports of before groups
    (excluded,) = found["excluded"]
    assert (excluded["name"], excluded["imageId"], excluded["code"]) == ("gone.jpg", None, "truncated")


def test_the_validation_counts_groups(own: Own) -> None:
    key = artifact_key(own.iteration, VALIDATION)
    report = json.loads(own.server.storage.get(key)) | {
        "groups": {"groups": 3, "named": 9, "unnamed": 21, "tags": {"red": 2}}
    }
    own.server.storage.put(key, json.dumps(report).encode())
    found = own.client.get(own.path + "/validation").json()
    assert found["groups"] == 3
    assert {"tag": "red", "train": 10, "test": 0, "groups": 2} in found["tags"]


@pytest.mark.parametrize("route", ["evaluation", "report", "validation", "validation/report"])
def test_an_iteration_of_an_earlier_version_has_no_reports(own: Own, route: str) -> None:
    place = f"{OWN}/projects/{own.old.id}/iterations"
    answer = own.client.get(f"{place}/{own.old_iteration}/{route}")
    assert (answer.status_code, answer.json()["code"]) == (404, "NotFound")
    assert "Train the project again" in answer.json()["message"]
    for wrong in (UNKNOWN, own.iteration):
        answer = own.client.get(f"{place}/{wrong}/{route}")
        assert (answer.status_code, answer.json()["code"]) == (404, "NotFoundIteration")
    assert own.client.get(f"{place}/nonsense/{route}").status_code == 400


def test_the_verification_of_an_export(own: Own) -> None:
    path = own.path + "/export/verification"
    answer = own.client.get(path, params={"platform": "onnx", "flavor": "onnxfloat16"})
    assert answer.json() == {
        "topTagAgreement": 1.0, "limit": {"topTag": 1}, "versions": {"onnx_runtime": "1"},
    }  # fmt: skip
    assert own.client.get(path, params={"platform": "CoreML"}).status_code == 404
    assert own.client.get(path).status_code == 400
    assert own.client.get(path, params={"platform": "Abacus"}).status_code == 400


def explain(own: Own, end: str = "image", headers: dict[str, str] | None = None, **given: Any) -> Any:
    return own.client.post(f"{OWN}/projects/{own.project.id}/explain/{end}", headers=headers or {}, **given)


def test_a_heat_map_of_a_tag(own: Own) -> None:
    for query in (
        {"publishName": "live", "tag": "red"},
        {"iterationId": own.iteration, "tag": own.case.tags["red"]},
        {"tag": "red"},
    ):
        answer = explain(own, headers=OCTETS, content=picture(SURE), params=query)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["iteration"], found["project"]) == (own.iteration, own.project.id)
        assert {one["tagId"] for one in found["predictions"]} == set(own.case.tags.values())
        assert found["activation"]["tagId"] == own.case.tags["red"]
        assert len(found["activation"]["map"]) == len(found["activation"]["map"][0])


def test_a_heat_map_as_a_picture_of_a_form_and_of_a_stored_image(own: Own) -> None:
    png = {"accept": "image/png"}
    answers = (
        explain(own, headers=png, files={"image": picture()}),
        explain(own, "stored", headers=png, params={"imageId": own.picture}),
        explain(own, "url", headers=png, json={"url": stored_uri(own)}),
    )
    for answer in answers:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), answer.text
        assert answer.content.startswith(b"\x89PNG")


def stored_uri(own: Own) -> str:
    path = f"/customvision/v3.3/training/projects/{own.project.id}/images/id"
    (image,) = own.client.get(path, params={"imageIds": own.picture}).json()
    return str(image["originalImageUri"])


@pytest.mark.parametrize(
    ("end", "given", "status", "code"),
    [
        ("image", {"content": picture(), "params": {"tag": "fern"}}, 404, "NotFoundTag"),
        ("image", {"content": picture(), "params": {"publishName": "none"}}, 404, "NotFoundIteration"),
        ("image", {"content": picture(), "params": {"iterationId": UNKNOWN}}, 404, "NotFoundIteration"),
        (
            "image",
            {"content": picture(), "params": {"iterationId": UNKNOWN, "publishName": "live"}},
            400,
            "BadRequestInvalid",
        ),
        ("image", {"content": b"no image"}, 400, "BadRequestImageFormat"),
        ("image", {"content": b""}, 400, "BadRequestImageStream"),
        ("url", {"json": {"url": "http://127.0.0.1/a.jpg"}}, 400, "BadRequestImageUrl"),
        ("stored", {"params": {"imageId": UNKNOWN}}, 404, "NotFoundImage"),
        ("stored", {}, 400, "BadRequestRequiredParamIsNull"),
    ],
)
def test_no_heat_map(own: Own, end: str, given: dict[str, Any], status: int, code: str) -> None:
    answer = explain(own, end, **given)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_no_heat_map_of_an_image_of_another_project(own: Own) -> None:
    path = f"{OWN}/projects/{own.old.id}/explain/stored"
    for query in ({"imageId": own.picture}, {"imageId": own.picture, "iterationId": own.iteration}):
        answer = own.client.post(path, params=query)
        assert answer.json()["code"] in ("NotFoundImage", "NotFoundIteration"), answer.text


def test_large_images_are_refused(own: Own) -> None:
    assert explain(own, headers=OCTETS, content=bytes(7 << 20)).status_code in (400, 413)
    assert explain(own, "url", content=bytes(3 << 20)).status_code == 413


def test_projects_at_a_glance(own: Own) -> None:
    page = own.get("/projects")
    found = {one["id"]: one for one in page["results"]}
    mine, old = found[own.project.id], found[own.old.id]
    counts = [mine[f"{what}Count"] for what in ("image", "taggedImage", "untaggedImage", "tag", "region")]
    assert counts == [31, 30, 1, 3, 0]
    assert "/files/thumbnails/" in mine["thumbnailUri"]
    assert mine["published"] == [
        {"publishName": "live", "iterationId": own.iteration, "iterationName": "Iteration 1"}
    ]
    last = mine["lastIteration"]
    assert mine["lastTrainedIteration"] == last
    assert (last["status"], last["performance"]["images"]) == ("Completed", 30)
    assert last["performance"]["accuracy"]["value"] == pytest.approx(1 - WRONG / 30, abs=1e-4)
    assert (old["lastIteration"]["performance"], old["isTraining"], old["imageCount"]) == (None, False, 0)
    assert own.get(f"/projects/{own.project.id}") == mine
    assert own.client.get(f"{OWN}/projects/{UNKNOWN}").status_code == 404


def test_a_key_of_one_project_sees_that_one(own: Own) -> None:
    headers = own.key(Scope.READ, own.old.id)
    page = own.client.get(f"{OWN}/projects", headers=headers).json()
    assert [one["id"] for one in page["results"]] == [own.old.id]


def test_pages_of_projects_and_the_number_of_queries(own: Own) -> None:
    counted: list[str] = []

    def count(_: Any, __: Any, statement: str, *rest: Any) -> None:
        counted.append(statement)

    first = own.get("/projects", take=1)
    event.listen(own.server.database.engine, "before_cursor_execute", count)
    try:
        own.get("/projects", take=1)
        few = len(counted)
        whole = own.get("/projects")["results"]
    finally:
        event.remove(own.server.database.engine, "before_cursor_execute", count)
    assert len(counted) - few == few
    second = own.get("/projects", take=1, continuation=first["continuation"])
    assert [one["results"][0]["id"] for one in (first, second)] == [one["id"] for one in whole[:2]]
    assert own.get("/projects", continuation=str(10**15)) == {"results": [], "continuation": None}
