"""A server's folder with a model of one step: the brighter a colour, the more probable its tag."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from starlette.testclient import TestClient

from dahlia.export.docker.context.app import Application
from dahlia.export.docker.context.model import load_model
from dahlia.export.docker.context.settings import read_settings
from dahlia.export.docker.port import dockerfile, requirements, write_code

PROJECT = "12121212-3434-4565-8787-989898989898"
ITERATION = "00000000-0000-4000-8000-000000000001"
TAGS = ("red", "green", "blue")
BGR = {"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "NominalRange_0_255"}

Picture = Callable[..., bytes]


def graph(size: int = 32, properties: dict[str, str] = BGR, scale: float = 0.02) -> onnx.ModelProto:
    """Softmax of each colour's mean, in the order red, green, blue; its pixels are BGR."""
    nodes = [
        helper.make_node("ReduceMean", ["data", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weight"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["model_output"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
        numpy_helper.from_array(np.eye(3, dtype=np.float32)[::-1] * np.float32(scale), "weight"),
    ]
    given = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, size, size])
    answered = helper.make_tensor_value_info("model_output", TensorProto.FLOAT, ["N", 3])
    made = helper.make_graph(nodes, "colours", [given], [answered], constants)
    proto = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(proto, properties)
    return proto


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with `model.onnx`, `model.json` and `labels.txt`."""
    return write_files(tmp_path)


def write_files(place: Path) -> Path:
    folder = place / "export" / "app"
    folder.mkdir(parents=True)
    facts = {
        "project": {"id": PROJECT, "name": "colours"},
        "iteration": ITERATION,
        "tags": [{"id": f"id of {name}", "name": name, "type": "Regular"} for name in TAGS],
    }
    onnx.save(graph(), folder / "model.onnx")
    (folder / "model.json").write_text(json.dumps(facts))
    (folder / "labels.txt").write_text("\n".join(TAGS))
    return folder


@pytest.fixture
def export(files: Path) -> Path:
    """All that an export holds, around the model of one step."""
    return complete(files)


@pytest.fixture(scope="module")
def shared_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, for tests that change nothing in it."""
    return complete(write_files(tmp_path_factory.mktemp("shared")))


def complete(files: Path) -> Path:
    write_code(files)
    (files / "requirements.txt").write_text(requirements("x86_64"))
    (files.parent / "Dockerfile").write_text(dockerfile("linux/amd64"))
    return files.parent


@pytest.fixture
def client_of(files: Path) -> Callable[..., TestClient]:
    """Makes a client of the server in this process; the keywords are its environment."""

    def build(**environment: str) -> TestClient:
        return TestClient(Application(load_model(files), read_settings(environment)))

    return build


@pytest.fixture
def client(client_of: Callable[..., TestClient]) -> TestClient:
    """A client of a server that is set up as it comes."""
    return client_of()


@pytest.fixture
def picture() -> Picture:
    """Makes an image file of one colour."""

    def make(
        colour: tuple[int, int, int] = (250, 20, 20), kind: str = "JPEG", size: tuple[int, int] = (64, 48)
    ) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", size, colour).save(buffer, kind)
        return buffer.getvalue()

    return make
