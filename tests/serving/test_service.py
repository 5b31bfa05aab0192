"""The service as users run it: `bentoml serve`, with the real SDK and plain HTTP as its clients."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction.models import CustomVisionErrorException
from msrest.authentication import ApiKeyCredentials
from running_services import Service, post_file
from serving_helpers import PROJECT_ID, picture

from dahlia.serving.stored.reading import read_predictions
from dahlia.tracking.registry import Registry
from photo_server import photo_server

pytestmark = pytest.mark.slow

HEAVY = {"torch", "torchvision", "timm", "lightning", "tensorflow", "sklearn", "matplotlib"}


def sdk(service: Service) -> CustomVisionPredictionClient:
    return CustomVisionPredictionClient(service.base, ApiKeyCredentials(in_headers={"Prediction-key": "any"}))


@pytest.mark.parametrize("wrap", [bytes, io.BytesIO])
def test_the_sdk_classifies(service: Service, wrap: Any) -> None:
    client = sdk(service)
    for call in (client.classify_image, client.classify_image_with_no_store):
        result = call(PROJECT_ID, "Iteration 1", wrap(picture()), application="tests")
        assert result.iteration == service.registry.get(1).id
        assert result.created.tzinfo is not None
        assert result.predictions[0].tag_name == "red"
        assert result.predictions[0].tag_type == "Regular"
        assert result.predictions[0].bounding_box is None


def test_each_project_answers_for_itself(service: Service) -> None:
    result = sdk(service).classify_image(service.other, "herbs", picture())
    assert (result.project, result.predictions[0].tag_name) == (service.other, "red")
    with pytest.raises(CustomVisionErrorException) as caught:
        sdk(service).classify_image(PROJECT_ID, "herbs", picture())
    assert caught.value.error.code == "NotFoundIteration"


def test_what_is_classified_is_kept(service: Service) -> None:
    result = sdk(service).classify_image(PROJECT_ID, "Iteration 1", picture(), application="tests")
    kept = {one.facts["id"]: one for one in read_predictions(service.registry.root / ".dahlia/predictions")}
    assert kept[result.id].image() == picture()
    assert kept[result.id].facts["publishName"] == "Iteration 1"
    assert kept[result.id].facts["application"] == "tests"


@pytest.mark.parametrize(
    ("name", "image", "code"),
    [
        ("nobody", picture(), "NotFoundIteration"),
        ("Iteration 1", b"no image", "BadRequestImageFormat"),
        ("Iteration 1", bytes(6 * 1024 * 1024), "BadRequestImageSizeBytes"),
    ],
)
def test_the_sdk_understands_refusals(service: Service, name: str, image: bytes, code: str) -> None:
    with pytest.raises(CustomVisionErrorException) as caught:
        sdk(service).classify_image(PROJECT_ID, name, image)
    assert caught.value.error.code == code
    assert caught.value.error.message
    assert f"{caught.value.response.headers['apim-request-id']} to /customvision" in service.log


def test_images_of_this_machine_are_not_fetched_unless_allowed(service: Service) -> None:
    with photo_server(picture()) as web, pytest.raises(CustomVisionErrorException) as caught:
        sdk(service).classify_image_url(PROJECT_ID, "Iteration 1", f"{web.base}/photo")
    assert caught.value.error.code == "BadRequestImageUrl"
    assert "no public address" in caught.value.message
    assert web.asked == []


def test_the_documented_route(service: Service) -> None:
    answer = post_file(f"{service.base}/predict", picture(), name="Iteration 1")
    assert answer["predictions"][0]["tagName"] == "red"
    with pytest.raises(urllib.error.HTTPError) as caught:
        post_file(f"{service.base}/predict", picture(), name="nobody")
    with caught.value as refused:
        assert json.load(refused)["code"] == "NotFoundIteration"
        assert f"{refused.headers['apim-request-id']} to /predict" in service.log
    with urllib.request.urlopen(f"{service.base}/docs.json", timeout=30) as response:
        described = json.load(response)["paths"]["/predict"]["post"]["responses"]["200"]
    assert "OwnPrediction" in json.dumps(described)


def test_every_line_about_a_request_names_it(service: Service) -> None:
    post_file(f"{service.base}/predict", picture(), name="Iteration 1")  # loads the model, and says so
    before = len(service.log.splitlines())
    post_file(f"{service.base}/predict", picture(), name="Iteration 1")
    broken = urllib.request.Request(
        f"{service.base}/predict", b"--x\r\nbroken", {"Content-Type": "multipart/form-data; boundary=x"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(broken, timeout=30)
    with caught.value as refused:
        identity = refused.headers["apim-request-id"]
    # The service's second process may begin only now, and each process loads the model once.
    of_processes = ("Loaded iteration", "Service dahlia initialized")
    lines = [
        line for line in service.log.splitlines()[before:] if not any(one in line for one in of_processes)
    ]
    assert len(lines) == 1
    assert identity in lines[0]


@pytest.mark.parametrize(
    "path", ["", "healthz", "livez", "readyz", "metrics", "docs.json", "static_content/index.css"]
)
def test_what_else_answers(service: Service, path: str) -> None:
    with urllib.request.urlopen(f"{service.base}/{path}", timeout=30) as response:
        assert response.status == 200


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc")
def test_no_training_library_is_mapped(service: Service) -> None:
    main = psutil.Process(service.pid)
    for process in [main, *main.children(recursive=True)]:
        mapped = Path(f"/proc/{process.pid}/maps").read_text()
        assert not re.search(r"/(torch|tensorflow|torchvision|sklearn)/", mapped)


def test_the_service_imports_no_training_library(contract_project: Registry, tmp_path: Path) -> None:
    script = (
        "import anyio, json, sys; from dahlia.serving.service import PredictionService as Service; "
        "service = Service.inner(); image = open(sys.argv[1], 'rb').read(); "
        "published = service._predictor.publications.any(None, None); "
        "answer = anyio.run(lambda: service._predictor.predict(published, image, keep=False)); "
        "service.close(); print(json.dumps(sorted(sys.modules)))"
    )
    image = tmp_path / "image.jpg"
    image.write_bytes(picture())
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(image)],
        cwd=contract_project.root,
        env=os.environ | {"DAHLIA_PREDICTIONS": str(tmp_path / "kept")},
        check=True,
        capture_output=True,
        text=True,
    )
    assert not HEAVY & set(json.loads(done.stdout.splitlines()[-1]))
