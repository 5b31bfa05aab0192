"""Create, upload, tag, train, wait, judge, publish, predict, export, download, delete: with every client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from contract_projects import COMPACT, TAGS, TRAINED
from contract_server import RunningServer
from exported_models import probabilities_of

from client_packages import javascript_clients, python_client

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parent / "clients"
IN_ENVIRONMENT = "3.1.1"


@pytest.mark.parametrize("version", [IN_ENVIRONMENT, "3.0.0", "2.0.0"])
def test_the_python_client(
    server: RunningServer, garden: Path, tmp_path: Path, pytestconfig: pytest.Config, version: str
) -> None:
    script = [sys.executable, "-W", "ignore", str(SCRIPTS / "flow.py")]
    if version == IN_ENVIRONMENT:
        place, environment = tmp_path, {}
    else:
        place = python_client(pytestconfig, version)
        environment = {"PYTHONPATH": str(place)}
    said = flow(script, server, garden, tmp_path, place, **environment)
    assert (f"python-{version}" in said.pop("from")["file"]) == (version != IN_ENVIRONMENT)
    check(said, tmp_path, statuses=["ErrorImageFormat", "OK"])


def test_the_javascript_client(
    server: RunningServer, garden: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    node, place = javascript_clients(pytestconfig)
    said = flow([node, str(SCRIPTS / "flow.cjs")], server, garden, tmp_path, place)
    check(said, tmp_path, statuses=["ErrorImageFormat", "OK", "OKDuplicate"])


def flow(
    script: list[str], server: RunningServer, garden: Path, folder: Path, place: Path, **environment: str
) -> dict[str, Any]:
    for tag in TAGS:
        (folder / "photos" / tag).mkdir(parents=True)
        for photo in sorted((garden / tag).iterdir())[:TRAINED]:
            shutil.copy(photo, folder / "photos" / tag)
    ask = shutil.copy(sorted((garden / "daisy").iterdir())[-1], folder / "ask.jpg")
    question = {
        "endpoint": server.base,
        "trainingKey": server.training_key,
        "predictionKey": server.prediction_key,
        "domain": COMPACT,
        "photos": str(folder / "photos"),
        "ask": str(ask),
        "zip": str(folder / "model.zip"),
    }
    done = subprocess.run(
        [*script, json.dumps(question)],
        cwd=place,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line.pop("step"): line for line in lines}


def check(said: dict[str, Any], folder: Path, *, statuses: list[str]) -> None:
    scores = said.pop("predict")["scores"]
    assert said == {
        "create": {"name": "Flow", "domain": COMPACT, "dated": True},
        "upload": {"statuses": statuses, "images": 2 * TRAINED + 1},
        "images": {
            "count": 2 * TRAINED,
            "tags": dict.fromkeys(TAGS, TRAINED),
            "dated": said["images"]["dated"],
        },
        "train": {"name": "Iteration 1", "status": "Training"},
        "trained": {"exportable": True, "dated": True},
        "again": {"refused": [400, "BadRequestTrainingNotNeeded"]},
        "performance": {"tags": sorted(TAGS)},
        "publish": {"answer": True},
        "export": {"status": "Done", "platform": "ONNX", "flavor": None},
        "refused": {"refused": [400, "BadRequestIterationIsPublished"]},
        "delete": {"refused": [404, "NotFoundProject"]},
    }
    assert all(said["images"]["dated"])
    assert set(scores) == set(TAGS)
    assert max(scores, key=scores.__getitem__) == "daisy"
    with zipfile.ZipFile(folder / "model.zip") as opened:
        assert opened.testzip() is None
        model, labels = opened.read("model.onnx"), opened.read("labels.txt").decode()
    computed = probabilities_of(model, labels.splitlines(), (folder / "ask.jpg").read_bytes())
    assert computed == pytest.approx(scores, abs=2e-3)
