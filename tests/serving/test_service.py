"""The service as users run it: `bentoml serve` and `bentoml build`, with the real SDK as the client."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction.models import CustomVisionErrorException
from fake_project import write_project
from msrest.authentication import ApiKeyCredentials
from serving_helpers import PROJECT_ID, picture, serving

from dahlia.tracking.record import record
from dahlia.tracking.registry import Registry
from photo_server import photo_server

CHECKOUT = Path(__file__).parents[2]
HEAVY = {"torch", "torchvision", "timm", "lightning", "tensorflow", "sklearn", "matplotlib"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A project with two iterations, and the checkout's bentofile.yaml."""
    root = tmp_path_factory.mktemp("project")
    shutil.copy(CHECKOUT / "bentofile.yaml", root)
    record(root, write_project(root))
    params = write_project(root, favourite=1)
    record(root, params)
    return Registry.of(root, params)


@pytest.fixture(scope="module")
def server(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    registry.publish(1, "Iteration 1")
    with serving(".", registry.root, tmp_path_factory.mktemp("bentoml")) as running:
        yield running


def sdk(base: str) -> CustomVisionPredictionClient:
    return CustomVisionPredictionClient(base, ApiKeyCredentials(in_headers={"Prediction-key": "any"}))


def post_file(address: str, content: bytes, **fields: str) -> Any:
    texts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in fields.items()
    )
    head = '--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    body = texts.encode() + head.encode() + content + b"\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=30) as response:
        return json.load(response)


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [bytes, io.BytesIO])
def test_the_sdk_classifies(server: tuple[str, int], registry: Registry, wrap: Any) -> None:
    client = sdk(server[0])
    for call in (client.classify_image, client.classify_image_with_no_store):
        result = call(PROJECT_ID, "Iteration 1", wrap(picture()), application="tests")
        assert result.iteration == registry.get(1).id
        assert result.created.tzinfo is not None
        assert result.predictions[0].tag_name == "red"
        assert result.predictions[0].tag_type == "Regular"
        assert result.predictions[0].bounding_box is None


@pytest.mark.slow
def test_what_is_classified_is_kept(server: tuple[str, int], registry: Registry) -> None:
    result = sdk(server[0]).classify_image(PROJECT_ID, "Iteration 1", picture())
    kept = registry.root / ".dahlia" / "predictions" / "answers" / f"{result.id}.json"
    deadline = time.monotonic() + 30
    while not kept.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert json.loads(kept.read_text())["publishName"] == "Iteration 1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "image", "code"),
    [
        ("nobody", picture(), "NotFoundIteration"),
        ("Iteration 1", b"no image", "BadRequestImageFormat"),
        ("Iteration 1", bytes(6 * 1024 * 1024), "BadRequestImageSizeBytes"),
    ],
)
def test_the_sdk_understands_refusals(
    server: tuple[str, int], registry: Registry, name: str, image: bytes, code: str
) -> None:
    with pytest.raises(CustomVisionErrorException) as caught:
        sdk(server[0]).classify_image(PROJECT_ID, name, image)
    assert caught.value.error.code == code
    assert caught.value.error.message
    log = (registry.root / "serve.log").read_text()
    assert f"{caught.value.response.headers['apim-request-id']} to /customvision" in log


@pytest.mark.slow
def test_images_of_this_machine_are_not_fetched_unless_allowed(server: tuple[str, int]) -> None:
    with photo_server(picture()) as web, pytest.raises(CustomVisionErrorException) as caught:
        sdk(server[0]).classify_image_url(PROJECT_ID, "Iteration 1", f"{web.base}/photo")
    assert caught.value.error.code == "BadRequestImageUrl"
    assert "no public address" in caught.value.message
    assert web.asked == []


@pytest.mark.slow
def test_the_documented_door(server: tuple[str, int], registry: Registry) -> None:
    answer = post_file(f"{server[0]}/predict", picture(), name="Iteration 1")
    assert answer["predictions"][0]["tagName"] == "red"
    with pytest.raises(urllib.error.HTTPError) as caught:
        post_file(f"{server[0]}/predict", picture(), name="nobody")
    with caught.value as refused:
        assert json.load(refused)["code"] == "NotFoundIteration"
        log = (registry.root / "serve.log").read_text()
        assert f"{refused.headers['apim-request-id']} to /predict" in log
    with urllib.request.urlopen(f"{server[0]}/docs.json", timeout=30) as response:
        described = json.load(response)["paths"]["/predict"]["post"]["responses"]["200"]
    assert "predictions" in json.dumps(described)


@pytest.mark.slow
def test_health(server: tuple[str, int]) -> None:
    for path in ("healthz", "livez", "readyz", "metrics"):
        with urllib.request.urlopen(f"{server[0]}/{path}", timeout=30) as response:
            assert response.status == 200


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc")
def test_no_training_library_is_mapped(server: tuple[str, int]) -> None:
    import psutil

    main = psutil.Process(server[1])
    for process in [main, *main.children(recursive=True)]:
        mapped = Path(f"/proc/{process.pid}/maps").read_text()
        assert not re.search(r"/(torch|tensorflow|torchvision|sklearn)/", mapped)


@pytest.mark.slow
def test_publishing_is_picked_up_without_a_failed_request(
    server: tuple[str, int], registry: Registry
) -> None:
    registry.publish(1, "production")
    client, image = sdk(server[0]), picture()
    _until(lambda: "production" in _served(client, image, "production"))
    seen: list[str] = []
    failures: list[Exception] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                seen.append(client.classify_image_with_no_store(PROJECT_ID, "production", image).iteration)
            except CustomVisionErrorException as error:
                failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for number in (2, 1):
            registry.publish(number, "production")
            moved = time.monotonic()
            wanted = registry.get(number).id
            _until(lambda wanted=wanted: seen[-1:] == [wanted])
            assert time.monotonic() - moved < 5
    finally:
        stop.set()
        asking.join()
    assert failures == []
    assert set(seen) == {registry.get(1).id, registry.get(2).id}


def _served(client: CustomVisionPredictionClient, image: bytes, name: str) -> str:
    try:
        client.classify_image_with_no_store(PROJECT_ID, name, image)
    except CustomVisionErrorException:
        return ""
    return name


def _until(holds: Any) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_bento_answers_elsewhere(registry: Registry, tmp_path: Path) -> None:
    registry.publish(2, "in the bento")
    home = tmp_path / "bentoml"
    environment = os.environ | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    bentoml = str(Path(sys.executable).parent / "bentoml")
    built = subprocess.run(
        [bentoml, "build", "-o", "tag"],
        cwd=registry.root,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    tag = built.stdout.strip().removeprefix("__tag__:")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with serving(tag, elsewhere, home) as (base, _):
        result = sdk(base).classify_image(PROJECT_ID, "in the bento", picture())
    assert result.iteration == registry.get(2).id
    log = (elsewhere / "serve.log").read_text()
    assert f"from {home / 'bentos'}" in log  # the Bento's own code, not an installed one


@pytest.mark.slow
def test_the_service_imports_no_training_library(registry: Registry) -> None:
    registry.publish(1, "Iteration 1")
    script = (
        "import anyio, json, sys; from dahlia.serving.service import PredictionService as Service; "
        "service = Service.inner(); image = open(sys.argv[1], 'rb').read(); "
        "answer = anyio.run(lambda: service._predictor.predict('Iteration 1', image, keep=False)); "
        "service.close(); print(json.dumps(sorted(sys.modules)))"
    )
    image = registry.root / "image.jpg"
    image.write_bytes(picture())
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(image)],
        cwd=registry.root,
        check=True,
        capture_output=True,
        text=True,
    )
    assert not HEAVY & set(json.loads(done.stdout.splitlines()[-1]))


def test_the_bento_pins_what_the_lock_file_pins() -> None:
    packages = yaml.safe_load((CHECKOUT / "bentofile.yaml").read_text())["python"]["packages"]
    lock = (CHECKOUT / "requirements.lock").read_text().splitlines()
    locked = {line.split(" \\")[0].split("#")[0].strip() for line in lock}
    assert [package for package in packages if package not in locked] == []
