from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction.models import CustomVisionErrorException
from msrest.authentication import ApiKeyCredentials

from dahlia.errors import VerificationError
from dahlia.export.docker.context.health import is_healthy
from dahlia.export.docker.process import running

LABELS = ("red", "green", "blue")
PROJECT = "12121212-3434-4565-8787-989898989898"
REFUSING = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ImportError("refused: " + name)
sys.meta_path.insert(0, Refuse())
sys.path[0] = "app"
sys.argv = ["app/app.py"]
runpy.run_path("app/app.py", run_name="__main__")
"""


def photo() -> Any:
    return np.full((1, 3, 32, 32), np.array([200, 100, 50]).reshape(1, 3, 1, 1), np.float32)


def test_pixels_arrive_as_they_are(export: Path) -> None:
    before = sorted(export.rglob("*"))
    random = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32)).astype(np.float32)
    with running(export) as server:
        received = server.probabilities(random, LABELS)
        assert is_healthy(server.port)
        with pytest.raises(VerificationError, match="whole numbers"):
            server.probabilities(random + 0.5, LABELS)
        with pytest.raises(VerificationError, match="'pink'"):
            server.probabilities(random[:1], ("red", "pink"))
    logits = random.mean((2, 3), dtype=np.float64) * 0.02
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(received, expected, atol=1e-6)
    assert not is_healthy(server.port)
    assert sorted(export.rglob("*")) == before


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda app: (app / "app.py").unlink(), "was expected and is not there"),
        (lambda app: (app / "imaging.py").unlink(), "No module named 'imaging'"),
        (lambda app: (app / "model.onnx").unlink(), "model.onnx"),
        (lambda app: truncate(app / "model.onnx"), "Unpack the export again"),
        (lambda app: (app / "labels.txt").write_text("a\nb\nc"), "a, b, c in labels.txt"),
    ],
)
def test_exports_that_cannot_be_opened(export: Path, damage: Callable[[Path], Any], words: str) -> None:
    damage(export / "app")
    with pytest.raises(VerificationError) as caught, running(export):
        pass
    assert words in str(caught.value)


def test_a_server_that_dies(export: Path) -> None:
    with running(export) as server:
        server.process.kill()
        server.process.wait()
        with pytest.raises(VerificationError, match="does not answer"):
            server.probabilities(photo(), LABELS)


def test_the_process_ends_with_the_block(export: Path) -> None:
    with pytest.raises(KeyError), running(export) as server:
        raise KeyError
    assert server.process.poll() is not None


def test_a_port_that_is_taken(export: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = {"HOST": "127.0.0.1", "PORT": str(taken.getsockname()[1])}
        ended = subprocess.run(
            [sys.executable, "-B", "app/app.py"], cwd=export, env=os.environ | settings, capture_output=True
        )
    assert ended.returncode == 1
    assert b"Set PORT to another" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_only_its_own_packages_are_needed(export: Path) -> None:
    names = {"torch", "tensorflow", "dahlia", "onnx", "pydantic", "httptools", "uvloop", "bentoml"}
    (export / "app" / "app.py").rename(export / "app" / "inner.py")
    script = REFUSING.format(names=names).replace('"app/app.py", run', '"app/inner.py", run')
    (export / "app" / "app.py").write_text(script)
    with running(export) as server:
        assert server.probabilities(photo(), LABELS).argmax() == 0


def client(port: int) -> CustomVisionPredictionClient:
    credentials = ApiKeyCredentials(in_headers={"Prediction-key": "any"})
    return CustomVisionPredictionClient(f"http://127.0.0.1:{port}", credentials)


def test_the_sdk(export: Path, picture: Any) -> None:
    with running(export) as server:
        sdk = client(server.port)
        for call in (sdk.classify_image, sdk.classify_image_with_no_store):
            for wrap in (bytes, io.BytesIO):
                result = call(PROJECT, "Iteration 1", wrap(picture()), application="tests")
                assert (result.project, len(result.predictions)) == (PROJECT, 3)
                assert result.created.tzinfo is not None
                assert (result.predictions[0].tag_name, result.predictions[0].tag_type) == ("red", "Regular")
        for call, code in (
            (sdk.classify_image_url, "BadRequestImageUrl"),
            (sdk.classify_image_url_with_no_store, "BadRequestImageUrl"),
            (sdk.detect_image_url, "BadRequestOperationNotSupported"),
        ):
            with pytest.raises(CustomVisionErrorException) as caught:
                call(PROJECT, "v1", url=f"http://127.0.0.1:{server.port}/photo.jpg")
            assert caught.value.error.code == code
        with pytest.raises(CustomVisionErrorException) as caught:
            sdk.detect_image(PROJECT, "v1", picture())
        assert caught.value.error.code == "BadRequestOperationNotSupported"


@pytest.mark.slow
def test_what_is_under_way_is_answered_before_the_end(export: Path, picture: Any) -> None:
    body = picture(kind="BMP", size=(1000, 1000))
    with running(export) as server, socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = f"POST /image HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[:1000])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert server.process.poll() is None
        connection.sendall(body[1000:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        server.process.wait(10)


@pytest.mark.slow
def test_many_at_once(export: Path, picture: Any) -> None:
    answers: list[int] = []
    with running(export) as server:
        sdk = client(server.port)

        def ask() -> None:
            for _ in range(10):
                answers.append(len(sdk.classify_image(PROJECT, "v1", picture()).predictions))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [3] * 80


def test_a_model_that_answers_nonsense(export: Path) -> None:
    path = export / "app" / "model.onnx"
    proto = onnx.load(path)
    weight = next(one for one in proto.graph.initializer if one.name == "weight")
    weight.CopyFrom(onnx.numpy_helper.from_array(np.full((3, 3), np.nan, np.float32), "weight"))
    onnx.save(proto, path)
    with pytest.raises(VerificationError, match=r"model\.json names 3 tags"), running(export):
        pass
