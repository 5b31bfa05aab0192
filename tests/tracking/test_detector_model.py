"""A detector as MLflow sees it, where Dahlia is not installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from fake_detector import FOUND, write_detector_project
from fake_project import PROJECT

from dahlia.serving.models.pyfunc import AnswerTable
from dahlia.serving.models.runtime import load_model
from dahlia.tracking.record import record
from dahlia.tracking.registry import Registry
from dahlia.tracking.store import connect

ELSEWHERE = """
import json, sys
import mlflow.pyfunc, pandas as pd

sys.modules["dahlia"] = None  # as if it were not installed
model = mlflow.pyfunc.load_model(sys.argv[1], suppress_warnings=True)
answers = model.predict(pd.DataFrame({"image": [open(sys.argv[2], "rb").read()]}))
print(json.dumps({
    "columns": list(answers.columns),
    "boxes": answers["boxes"][0],
    "signature": model.metadata.signature.outputs.to_dict(),
    "training": sorted({"torch", "lightning", "timm", "onnx"} & set(sys.modules)),
}))
"""


def red(folder: Path) -> Path:
    path = folder / "red.png"
    cv2.imwrite(str(path), np.full((48, 64, 3), (0, 0, 255), np.uint8))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("output", ["grid", "boxes"])
def test_it_loads_without_dahlia_and_finds_boxes(tmp_path: Path, empty_store: Path, output: str) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    params = write_detector_project(tmp_path, output)  # type: ignore[arg-type]
    iteration = record(tmp_path, params)
    model = connect("sqlite:///mlflow.db", tmp_path).get_logged_model(iteration.model_id)
    assert model.model_type == "object-detector"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ELSEWHERE, f"models:/{PROJECT}/1", red(tmp_path)],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["columns"] == ["boxes"]
    assert told["training"] == []
    assert told["boxes"][0] | FIRST == told["boxes"][0]
    assert [box["tagName"] for box in told["boxes"]][:2] == ["red", "red"]
    assert [box["probability"] for box in told["boxes"]] == sorted(
        (box["probability"] for box in told["boxes"]), reverse=True
    )
    (column,) = told["signature"]
    assert (column["name"], column["type"], column["items"]["type"]) == ("boxes", "array", "object")
    assert set(column["items"]["properties"]) == {"tagName", "probability", "left", "top", "width", "height"}
    served = load_model(Registry.of(tmp_path, params).servable(iteration), iteration.id, 1)
    assert len(served.predict(red(tmp_path).read_bytes())) == len(told["boxes"])


FIRST = {"tagName": FOUND[0][1]}


def test_a_table_of_several_photos(tmp_path: Path) -> None:
    import pandas as pd
    from fake_detector import write_model

    write_model(tmp_path / "model")
    image = red(tmp_path).read_bytes()
    answer = AnswerTable(load_model(tmp_path / "model", "", 0)).predict(pd.DataFrame({"image": [image] * 2}))
    assert list(answer["boxes"][0]) == list(answer["boxes"][1])
    first = answer["boxes"][1][0]
    assert [first[edge] for edge in ("left", "top", "width", "height")] == pytest.approx(
        list(FOUND[0][0]), abs=1e-5
    )
