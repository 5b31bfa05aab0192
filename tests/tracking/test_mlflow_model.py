"""An iteration as MLflow sees it: a model that it loads and serves, where Dahlia is not installed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from fake_project import PROJECT, TAGS, write_project

from dahlia.errors import ImageError
from dahlia.processes import end
from dahlia.serving.models.pyfunc import AnswerTable
from dahlia.serving.models.runtime import load_model
from dahlia.tracking.iteration import Iteration
from dahlia.tracking.record import record
from dahlia.tracking.registry import Registry
from dahlia.tracking.store import connect

URI = "sqlite:///mlflow.db"
PATIENCE = 90.0  # seconds

ELSEWHERE = """
import json, sys
import mlflow.pyfunc, pandas as pd

assert not [name for name in sys.modules if name.partition(".")[0] == "dahlia"]
sys.modules["dahlia"] = None  # as if it were not installed
model = mlflow.pyfunc.load_model(sys.argv[1], suppress_warnings=True)  # which take seconds to find
photos = [open(name, "rb").read() for name in sys.argv[2:]]
answers = model.predict(pd.DataFrame({"image": photos}))
example = model.predict(model.input_example)
print(json.dumps({
    "answers": answers.to_dict("records"),
    "example": len(example),
    "training": sorted({"torch", "lightning", "timm", "torchvision"} & set(sys.modules)),
}))
"""


class Recorded(NamedTuple):
    """A project with one iteration, and two photos."""

    root: Path
    iteration: Iteration
    photos: list[Path]
    answers: list[dict[str, float]]
    uploaded: list[str]
    """The model's files, listed before anything loads it: Python then keeps what it compiles among them."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Recorded:
    root = tmp_path_factory.mktemp("recorded") / "rose garden"
    root.mkdir()
    shutil.copy(empty_store, root / "mlflow.db")
    params = write_project(root)
    iteration = record(root, params)
    uploaded = [str(path) for path in (root / "mlartifacts").rglob("*") if path.is_file()]
    noise = np.random.default_rng(7).integers(0, 256, (90, 60, 3), np.uint8)
    photos = [root / "noise.png", root / "noise.jpg"]
    for photo in photos:
        cv2.imwrite(str(photo), noise)
    model = load_model(Registry.of(root, params).servable(iteration), iteration.id, 1)
    answers = [{one.tag.name: one.probability for one in model.predict(path.read_bytes())} for path in photos]
    return Recorded(root, iteration, photos, answers, uploaded)


@pytest.mark.slow
def test_it_loads_without_dahlia_and_answers_as_the_service(recorded: Recorded) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ELSEWHERE, f"models:/{PROJECT}/1", *recorded.photos],
        cwd=recorded.root,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"answers": recorded.answers, "example": 1, "training": []}


def test_the_page_shows_a_model_with_its_run_version_and_figures(recorded: Recorded) -> None:
    iteration, client = recorded.iteration, connect(URI, recorded.root)
    assert iteration.model_id
    model = client.get_logged_model(iteration.model_id)
    assert (model.name, model.model_type, str(model.status)) == ("Iteration 1", "classifier", "READY")
    assert model.source_run_id == iteration.run_id
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": PROJECT, "version": 1}]
    assert {metric.key for metric in model.metrics} >= {"precision", "tag/red/ap"}
    assert {metric.dataset_name for metric in model.metrics} == {PROJECT}
    assert model.params["training.max_iterations"] == "10"
    run = client.get_run(iteration.run_id)
    assert [output.model_id for output in run.outputs.model_outputs] == [iteration.model_id]
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_its_files(recorded: Recorded) -> None:
    from mlflow.models import Model

    kept = recorded.root / "mlartifacts"
    (path,) = kept.rglob("MLmodel")
    model = Model.load(str(path))
    assert model.signature.inputs.to_dict() == [{"type": "binary", "name": "image", "required": True}]
    assert model.signature.outputs.input_names() == list(TAGS)
    assert len(list(kept.rglob("model.onnx"))) == 1
    assert [name for name in recorded.uploaded if Path(name).suffix in (".pkl", ".pickle", ".pyc")] == []
    required = {line.partition("==")[0] for line in (path.parent / "requirements.txt").read_text().split()}
    assert {"onnxruntime", "numpy", "simplejpeg"} <= required
    assert not {"torch", "timm", "lightning", "dahlia"} & required
    assert str(recorded.root) not in (path.parent / "conda.yaml").read_text()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"junk", r"Row 1 of `image`: Expected a JPEG"),
        ("text", r"Row 1 of `image`: expected the bytes .* received str"),
        (None, r"Row 1 of `image`: expected the bytes .* received NoneType"),
    ],
)
def test_what_is_not_an_image_is_named(recorded: Recorded, image: object, message: str) -> None:
    import pandas as pd
    from mlflow.exceptions import MlflowException

    (folder,) = recorded.root.glob("mlartifacts/models/*/artifacts/data/onnx")
    table = AnswerTable(load_model(folder, "", 0))
    with pytest.raises(MlflowException, match=message) as refused:
        table.predict(pd.DataFrame({"image": [recorded.photos[0].read_bytes(), image]}))
    assert refused.value.get_http_status_code() == 400
    assert isinstance(refused.value.__cause__, ImageError | None)


def test_an_iteration_from_before_models_is_read_as_ever(root: Path) -> None:
    params = write_project(root)
    iteration = record(root, params)
    assert iteration.model_id
    models = root / "mlartifacts" / "models" / iteration.model_id / "artifacts"
    run = root / "mlartifacts" / iteration.run_id / "artifacts"
    (run / "exports").mkdir()
    (models / "data" / "onnx").rename(run / "exports" / "onnx")
    connect(URI, root).delete_model_version_tag(PROJECT, "1", "dahlia.model")
    registry = Registry.of(root, params)
    assert registry.get(1).model_id is None
    assert registry.publish(1, "production").published == ("production",)
    assert registry.servable(registry.get(1)) == run / "exports" / "onnx"


@pytest.mark.slow
def test_mlflow_serves_it(recorded: Recorded) -> None:
    image = base64.b64encode(recorded.photos[0].read_bytes()).decode()
    with serving(recorded.root) as address:
        answer = ask(address, {"dataframe_split": {"columns": ["image"], "data": [[image]]}})
        assert answer == {"predictions": recorded.answers[:1]}
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(address, {"dataframe_split": {"columns": ["image"], "data": [["anVuaw=="]]}})
    assert refused.value.code == 400
    told = json.loads(refused.value.read())
    assert "Row 0 of `image`: Expected a JPEG" in told["message"]
    assert "Traceback" not in str(told)


@contextmanager
def serving(root: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", f"models:/{PROJECT}/1"]
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with (root / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *options], cwd=root, env={**os.environ, "PATH": path}, stdout=log, stderr=log
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/ping", process, root / "serve.log")
        yield f"{address}/invocations"
    finally:
        end(process, 10)


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)


def ask(address: str, question: dict[str, Any]) -> Any:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, json.dumps(question).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())
