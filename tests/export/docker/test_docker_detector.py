"""A container of a detector: its routes, its answers in both manners, and what it refuses."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction.models import CustomVisionErrorException
from msrest.authentication import ApiKeyCredentials
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parents[2] / "tracking"))

import fake_detector
from fake_detector import ALWAYS, FOUND, GIVEN, SIZE, Output
from fake_project import TAGS

from dahlia.errors import ServiceError, VerificationError
from dahlia.export.docker import port
from dahlia.export.docker.context.app import Application
from dahlia.export.docker.context.model import load_model
from dahlia.export.docker.context.settings import read_settings
from dahlia.export.docker.process import running
from dahlia.files import write_json

OUTPUTS = pytest.mark.parametrize("output", ["grid", "boxes"])
PROJECT = fake_detector.card().project_id
CLOUD = f"/customvision/v3.1/prediction/{PROJECT}/detect/iterations/v1/image"
REFUSING = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "tensorflow", "dahlia", "onnx", "pydantic"}:
            raise ImportError("refused: " + name)
sys.meta_path.insert(0, Refuse())
runpy.run_path("app/inner.py", run_name="__main__")
"""


def write_export(folder: Path, output: Output) -> Path:
    """A container around the fake detector, as the port lays it out."""
    app = folder / "app"
    fake_detector.write_model(app, output)
    card = fake_detector.card(output)
    write_json(app / "model.json", port._facts(card, "0" * 64))
    (app / "labels.txt").write_text("\n".join(TAGS))
    said = {"CustomVision.Preprocess.TargetWidth": str(SIZE)}
    (app / "metadata_properties.json").write_text(json.dumps(said))
    port.write_code(app)
    return folder


@pytest.fixture
def client_of(tmp_path: Path) -> Callable[[Output], TestClient]:
    def made(output: Output) -> TestClient:
        app = write_export(tmp_path / output, output) / "app"
        return TestClient(Application(load_model(app), read_settings({})))

    return made


RED, WHITE = (250, 0, 0), (255, 255, 255)


@OUTPUTS
@pytest.mark.parametrize("path", ["/image", "/garden/image/nostore", "/garden/detect/iterations/v%201/image"])
def test_the_answer_of_a_container(client_of: Any, picture: Any, output: Output, path: str) -> None:
    response = client_of(output).post(path, content=picture(WHITE, "PNG"))
    assert response.status_code == 200
    answer = response.json()
    assert (answer["id"], answer["project"], answer["iteration"]) == ("", "", "")
    fields = ["tagName", "probability", "tagId", "boundingBox"]
    assert [list(one) for one in answer["predictions"]] == [fields] * len(GIVEN)
    chances = [one["probability"] for one in answer["predictions"]]
    assert chances == sorted(chances, reverse=True)
    for one in answer["predictions"]:
        assert type(one["tagId"]) is int
        assert TAGS[one["tagId"]] == one["tagName"]
        assert list(one["boundingBox"]) == ["left", "top", "width", "height"]
    best = answer["predictions"][0]
    assert (best["tagName"], best["probability"]) == ("red", pytest.approx(0.9, abs=1e-5))
    np.testing.assert_allclose(list(best["boundingBox"].values()), FOUND[0][0], atol=1e-5)


@OUTPUTS
def test_the_answer_of_the_cloud(client_of: Any, picture: Any, output: Output) -> None:
    answer = client_of(output).post(CLOUD, content=picture(WHITE, "PNG")).json()
    assert list(answer) == ["id", "project", "iteration", "created", "predictions"]
    assert answer["project"] == PROJECT
    assert tuple(one["tagName"] for one in answer["predictions"]) == GIVEN
    ids = {tag.name: tag.id for tag in fake_detector.card().tags}
    for one in answer["predictions"]:
        assert list(one) == ["probability", "tagId", "tagName", "tagType", "boundingBox"]
        assert (one["tagId"], one["tagType"]) == (ids[one["tagName"]], "Regular")
    colour = client_of(output).post(CLOUD, content=picture(RED, "PNG")).json()["predictions"]
    assert colour[0]["probability"] > 0.8
    others = [one["probability"] for one in colour if one["tagName"] != "red"]
    assert others == [pytest.approx(ALWAYS, abs=1e-4)] * 2


def test_boxes_end_at_the_edges_in_the_cloud_alone(tmp_path: Path, picture: Any) -> None:
    app = write_export(tmp_path, "boxes") / "app"
    proto = onnx.load(app / "model.onnx")
    moved = next(one for one in proto.graph.initializer if one.name == "corner")
    values = onnx.numpy_helper.to_array(moved) - np.array([0.2, 0, 0, 0], np.float32)
    moved.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), moved.name))
    onnx.save(proto, app / "model.onnx")
    client = TestClient(Application(load_model(app), read_settings({})))
    ours, theirs = (
        min(
            client.post(path, content=picture(RED, "PNG")).json()["predictions"],
            key=lambda one: one["boundingBox"]["left"],
        )["boundingBox"]
        for path in ("/image", CLOUD)
    )
    assert ours["left"] < -0.1
    assert theirs["left"] == 0
    assert theirs["width"] == pytest.approx(ours["left"] + ours["width"], abs=1e-5)


def test_routes_that_classify_are_refused(client_of: Any, picture: Any) -> None:
    client = client_of("grid")
    answer = client.post(CLOUD.replace("detect", "classify"), content=picture())
    assert answer.status_code == 400
    assert answer.json()["code"] == "BadRequestOperationNotSupported"
    assert "detects objects" in answer.json()["message"]
    old = client.post("/garden/classify/iterations/v1/image", content=picture())
    assert (old.status_code, old.headers["content-type"]) == (500, "text/plain; charset=utf-8")
    assert old.text.startswith("Error processing image: Invalid project type for operation")


def damaged(app: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    proto = onnx.load(app / "model.onnx")
    change(proto)
    onnx.save(proto, app / "model.onnx")


def rename_output(proto: onnx.ModelProto) -> None:
    for node in proto.graph.node:
        node.output[:] = ["other" if name == "model_outputs0" else name for name in node.output]
    proto.graph.output[0].name = "other"


def drop_rule(proto: onnx.ModelProto) -> None:
    kept = [one for one in proto.metadata_props if one.key != "dahlia.overlap"]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)


@pytest.mark.parametrize(
    ("change", "words"),
    [(rename_output, "answers other, which is of no model"), (drop_rule, "dahlia.overlap")],
)
def test_graphs_that_cannot_be_served(
    tmp_path: Path, change: Callable[[onnx.ModelProto], None], words: str
) -> None:
    app = write_export(tmp_path, "grid") / "app"
    damaged(app, change)
    with pytest.raises(ServiceError, match=words):
        load_model(app)


def test_a_grid_of_other_tags(tmp_path: Path) -> None:
    app = write_export(tmp_path, "grid") / "app"
    facts = json.loads((app / "model.json").read_text())
    (app / "model.json").write_text(json.dumps(facts | {"tags": facts["tags"][:2]}))
    (app / "labels.txt").write_text("\n".join(TAGS[:2]))
    with pytest.raises(ServiceError, match=r"answers a grid .* names 2 tags"):
        load_model(app)


@OUTPUTS
def test_the_process_finds_what_the_model_finds(tmp_path: Path, picture: Any, output: Output) -> None:
    """Without Dahlia, torch or onnx, through both APIs and the client library."""
    export = write_export(tmp_path, output)
    (export / "app" / "app.py").rename(export / "app" / "inner.py")
    (export / "app" / "app.py").write_text(REFUSING)
    white = np.full((1, 3, SIZE, SIZE), 255, np.float32)
    with port.opened_detector(export) as opened:
        found = opened.find(white)
        assert (opened.labels, opened.size) == (tuple(TAGS), SIZE)
    assert sorted(TAGS[tag] for tag in found.tags) == sorted(GIVEN)
    np.testing.assert_allclose(found.places[0], FOUND[0][0], atol=1e-5)
    with running(export) as server:
        credentials = ApiKeyCredentials(in_headers={"Prediction-key": "any"})
        sdk = CustomVisionPredictionClient(f"http://127.0.0.1:{server.port}", credentials)
        result = sdk.detect_image(PROJECT, "v1", picture(WHITE, "PNG"))
        assert tuple(one.tag_name for one in result.predictions) == GIVEN
        assert result.predictions[0].bounding_box.left == pytest.approx(FOUND[0][0][0], abs=1e-5)
        with pytest.raises(CustomVisionErrorException) as caught:
            sdk.classify_image(PROJECT, "v1", picture())
        assert caught.value.error.code == "BadRequestOperationNotSupported"
        with pytest.raises(VerificationError, match=r"calls tag 0 of labels\.txt"):
            server.boxes(white, TAGS[::-1])


def test_a_classifier_finds_no_boxes(export: Path) -> None:
    with running(export) as server, pytest.raises(VerificationError, match="Invalid project type"):
        server.boxes(np.zeros((1, 3, SIZE, SIZE), np.float32), ("red", "green", "blue"))
