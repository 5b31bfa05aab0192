from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tracking"))

from fake_project import write_project

from dahlia.errors import TrackingError
from dahlia.stages.track import run


@pytest.mark.slow
def test_the_stage_writes_its_report(tmp_path: Path) -> None:
    params = write_project(tmp_path)
    run(params, tmp_path)
    report = json.loads((tmp_path / "reports" / "iteration.json").read_text())
    assert report["number"] == 1
    assert report["name"] == "Iteration 1"
    assert report["metrics"]["precision"] == 0.9


def test_the_stage_needs_the_stages_before_it(tmp_path: Path) -> None:
    params = write_project(tmp_path)
    (tmp_path / "reports" / "evaluation.json").unlink()
    with pytest.raises(TrackingError, match="dvc repro evaluate"):
        run(params, tmp_path)
    assert not (tmp_path / "mlflow.db").exists()
