"""`dahlia demo`: the whole way once, on photos that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pipeline_projects import Project, succeeded

pytestmark = pytest.mark.slow


def test_the_demo_ends_with_a_prediction_a_table_and_what_to_open(project: Project) -> None:
    said = succeeded(project.cold.dahlia("demo")).output
    assert "files already; they are left as they are" in said
    assert "is published as demo" in said
    assert re.search(r"POST http://127\.0\.0\.1:\d+/customvision/v3\.1/prediction/", said)
    assert re.search(r"\d+\.\d% +da", said)
    assert "held-out photos are right" in said
    *_, report, runs, endpoint = said.strip().splitlines()
    assert Path(report.split()[-1]).is_file()
    assert "mlflow ui" in runs
    assert "bentoml serve" in endpoint


def test_a_step_that_fails_ends_the_demo_with_its_own_words(project: Project) -> None:
    photo = next((project.root / "data" / "images").glob("*/*.jpg"))
    photo.unlink()  # it is a hard link that other projects share
    photo.write_bytes(b"no image")
    done = project.dahlia("demo")
    assert done.code == 1
    assert "not-an-image" in done.output
    assert "`dvc repro` failed; its output is above" in done.output
    assert "Traceback" not in done.output
