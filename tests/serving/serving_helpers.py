"""What the serving tests share: pictures, a source of models, a client, and a server in a process."""

from __future__ import annotations

import io
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from fake_project import PROJECT, write_model
from PIL import Image
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from dahlia.errors import TrackingError
from dahlia.modeling.card import project_id
from dahlia.serving.activation import Activation
from dahlia.serving.explanation import Explainer
from dahlia.serving.metrics import Metrics
from dahlia.serving.models.loading import ModelCache, Servable
from dahlia.serving.models.publications import NOTHING_YET, Publications
from dahlia.serving.models.runtime import Model, load_model
from dahlia.serving.prediction_api import Predictor
from dahlia.serving.prediction_app import PredictionApp, ServiceState
from dahlia.serving.stored.store import PredictionStore
from dahlia.settings.service import read_settings

PROJECT_ID = project_id(PROJECT)
IDS = {number: f"00000000-0000-0000-0000-{number:012d}" for number in range(1, 10)}
GREY = (128, 128, 128)


def url(
    name: str = "Iteration%201", project: str = PROJECT_ID, *, task: str = "classify", end: str = "image"
) -> str:
    return f"/customvision/v3.1/prediction/{project}/{task}/iterations/{name}/{end}"


def picture(colour: tuple[int, int, int] = GREY, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(buffer, kind)
    return buffer.getvalue()


def picture_of_bytes(size: int) -> bytes:
    """A picture that decodes and has exactly `size` bytes: a BMP with bytes after its pixels."""
    noise = np.zeros((600, 600, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "BMP")
    return buffer.getvalue() + bytes(size - len(buffer.getvalue()))


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header promises a size, and which holds no pixels."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + block(b"IDAT", b"") + block(b"IEND", b"")


class FakeSource:
    """Publishes what a test says; iteration N favours tag N - 1 on a grey picture."""

    changes = True
    project_id = PROJECT_ID

    @property
    def projects(self) -> Sequence[str]:
        return (self.project_id,)

    def __init__(self, folder: Path, names: dict[str, int]) -> None:
        self.names = names
        self.reachable = True
        self.located: list[int] = []
        self.folder = folder
        for number in (1, 2):
            write_model(folder / str(number), favourite=number - 1)

    def published(self) -> dict[str, dict[str, int]]:
        if not self.reachable:
            raise TrackingError("the store is away")
        return {self.project_id: dict(self.names)}

    def locate(self, project: str, number: int) -> Servable:
        self.located.append(number)
        return Servable(number, IDS[number], self.folder / str(number))


def load(servable: Servable) -> Model:
    return load_model(servable.folder, servable.id, servable.number)


def load_activation(servable: Servable) -> Activation:
    return Activation(servable.folder)


class CountedClient(TestClient):
    """A client that knows where predictions are counted."""

    registry: CollectorRegistry


def build_client(
    source: FakeSource, store: PredictionStore | None = None, **environment: str
) -> CountedClient:
    """A client of `PredictionApp`, in front of what echoes the length of bodies that reach `/predict`."""
    registry = CollectorRegistry()
    state = build_state(source, store, registry, **environment)

    async def echo(request: Request) -> JSONResponse:
        return JSONResponse({"reached": len(await request.body())})

    inner = Starlette(routes=[Route("/predict", echo, methods=["POST"]), Route("/other", echo)])
    client = CountedClient(PredictionApp(inner, state, ("/other",)), raise_server_exceptions=True)
    client.registry = registry
    return client


def build_state(
    source: FakeSource,
    store: PredictionStore | None = None,
    registry: CollectorRegistry | None = None,
    **environment: str,
) -> ServiceState:
    """What answers for one project, whose source was asked once."""
    models = ModelCache(load, 1 << 30)
    publications = Publications([source], models, while_empty=NOTHING_YET)
    publications.refresh()
    state = ServiceState.of(read_settings(environment))
    metrics = Metrics(registry or CollectorRegistry())
    state.predictor = Predictor(publications, models, store, state.settings.threads, metrics)
    state.explainer = Explainer(state.predictor, ModelCache(load_activation, 1 << 30))
    return state


@contextmanager
def serving(target: str, folder: Path, home: Path, **environment: str) -> Iterator[tuple[str, int]]:
    """Run `bentoml serve` in `folder` until the block ends; gives the base URL and the process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quiet = {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    command = [str(Path(sys.executable).parent / "bentoml"), "serve", target, "--host", "127.0.0.1"]
    log = folder / "serve.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env=os.environ | quiet | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}", server, log)
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_ready(base: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{base}/livez", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the server did not start:\n{log.read_text()}")
