"""A detector in the service as users run it, asked by the original's client."""

from __future__ import annotations

import io
import re
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fake_detector
import psutil
import pytest
import requests
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction.models import CustomVisionErrorException
from fake_detector import FOUND, GIVEN
from msrest.authentication import ApiKeyCredentials
from running_services import KEY, SERVICE, said_by_script
from serving_helpers import PROJECT_ID, picture, serving

from client_packages import javascript_clients, python_client
from dahlia.dataset.imaging import decode
from dahlia.serving.stored.reading import read_predictions
from dahlia.tracking.record import record
from dahlia.tracking.registry import Registry
from photo_server import WebServer

pytestmark = pytest.mark.slow

CLIENTS = Path(__file__).parent / "clients"
NAME = "Iteration 1"
RED = (255, 0, 0)


@dataclass(frozen=True)
class Detecting:
    """A running service, and the project that it serves."""

    base: str
    pid: int
    root: Path

    def sdk(self) -> CustomVisionPredictionClient:
        return CustomVisionPredictionClient(self.base, ApiKeyCredentials(in_headers={"Prediction-key": KEY}))

    def post(self, path: str, files: Any, **fields: str) -> requests.Response:
        return requests.post(
            self.base + path, files=files, data=fields, headers={"Prediction-Key": KEY}, timeout=30
        )


@pytest.fixture(scope="module", params=["grid", "boxes"])
def detecting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Detecting]:
    root = tmp_path_factory.mktemp("detector")
    params = fake_detector.write_detector_project(root, request.param)
    record(root, params)
    Registry.of(root, params).publish(1, NAME)
    settings = {"DAHLIA_PREDICTION_KEY": KEY, "DAHLIA_URL_FETCH": "any"}
    with serving(SERVICE, root, tmp_path_factory.mktemp("bentoml"), **settings) as (base, pid):
        yield Detecting(base, pid, root)


def photo() -> bytes:
    return picture(RED, "PNG")


@pytest.mark.parametrize("store", ["", "_with_no_store"])
def test_the_original_client_detects(detecting: Detecting, web: WebServer, store: str) -> None:
    client = detecting.sdk()
    found = getattr(client, f"detect_image{store}")(
        PROJECT_ID, NAME, io.BytesIO(photo()), application="tests"
    )
    assert [one.tag_name for one in found.predictions] == list(GIVEN)
    assert found.created.tzinfo is not None
    first = found.predictions[0]
    assert first.probability == pytest.approx(0.9, abs=1e-5)
    assert first.tag_type == "Regular"
    box = first.bounding_box
    assert (box.left, box.top, box.width, box.height) == pytest.approx(FOUND[0][0], abs=1e-5)
    at_address = getattr(client, f"detect_image_url{store}")(PROJECT_ID, NAME, f"{web.base}/photo")
    assert max(at_address.predictions, key=lambda one: one.probability).tag_name == "blue"
    kept = {one.facts["id"]: one.facts for one in read_predictions(detecting.root / ".dahlia/predictions")}
    assert (found.id in kept) == (not store)
    if not store:
        assert kept[found.id]["predictions"][0]["boundingBox"]["width"] == pytest.approx(0.4)


def test_the_original_client_cannot_classify_with_it(detecting: Detecting, web: WebServer) -> None:
    client = detecting.sdk()
    for call, given in (("classify_image", photo()), ("classify_image_url", f"{web.base}/photo")):
        with pytest.raises(CustomVisionErrorException) as caught:
            getattr(client, call)(PROJECT_ID, NAME, given)
        assert caught.value.error.code == "BadRequestOperationNotSupported"
        assert "Invalid project type for operation" in caught.value.message


@pytest.mark.parametrize("version", ["2.0.0", "0.4.0", "0.1.0"])
def test_older_python_clients_detect(
    detecting: Detecting, web: WebServer, pytestconfig: pytest.Config, version: str
) -> None:
    place = python_client(pytestconfig, version)
    script = [sys.executable, "-W", "ignore", str(CLIENTS / "old.py"), version]
    said = said_by_script(script, detecting.base, f"{web.base}/photo", place, PYTHONPATH=str(place))
    _check(said[:-1], 8 if version == "2.0.0" else 4)


def test_the_javascript_client_detects(
    detecting: Detecting, web: WebServer, pytestconfig: pytest.Config
) -> None:
    node, place = javascript_clients(pytestconfig)
    script = [node, str(CLIENTS / "classify.cjs")]
    _check(said_by_script(script, detecting.base, f"{web.base}/photo", place), 8)


def _check(said: list[dict[str, Any]], calls: int) -> None:
    assert len(said) == calls
    for one in said:
        if one["call"].startswith("classify"):
            assert (one["status"], one["code"]) == (400, "BadRequestOperationNotSupported")
        else:
            assert (one["tag"], one["date"]) == ("red", True), one


def test_our_own_route(detecting: Detecting) -> None:
    answer = detecting.post("/predict", {"image": ("a.png", photo())}).json()
    assert [one["tagName"] for one in answer["predictions"]] == list(GIVEN)
    assert set(answer["predictions"][0]["boundingBox"]) == {"left", "top", "width", "height"}
    assert answer["none_of_these"] == pytest.approx(0.1, abs=1e-5)


def test_several_photos_at_once(detecting: Detecting) -> None:
    files = [("images", ("a.png", photo())), ("images", ("b.png", b"no photo"))]
    good, refused = detecting.post("/predict_batch", files).json()
    assert good["predictions"][0]["boundingBox"]["left"] == pytest.approx(0.05, abs=1e-5)
    assert refused["code"] == "BadRequestImageFormat"


def test_the_photo_with_its_boxes(detecting: Detecting) -> None:
    response = detecting.post("/predict?draw=true&threshold=0.3", {"image": ("a.png", photo())}, name=NAME)
    assert response.headers["content-type"] == "image/jpeg"
    assert decode(response.content).shape == (480, 640, 3)


def test_the_page_describes_boxes(detecting: Detecting) -> None:
    with urllib.request.urlopen(f"{detecting.base}/docs.json", timeout=30) as response:
        text = response.read().decode()
    assert "boundingBox" in text
    assert "draw" in text


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc")
def test_no_training_library_is_mapped_for_a_detector(detecting: Detecting) -> None:
    main = psutil.Process(detecting.pid)
    for process in [main, *main.children(recursive=True)]:
        mapped = Path(f"/proc/{process.pid}/maps").read_text()
        assert not re.search(r"/(torch|tensorflow|torchvision|sklearn|onnx)/", mapped)
