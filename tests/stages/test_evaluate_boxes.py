from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from dahlia.cli import cli
from dahlia.dataset.manifest import save_manifest
from dahlia.dataset.records import ImageRecord
from dahlia.errors import DahliaError
from dahlia.evaluation.judges import FIGURES
from dahlia.evaluation.saved import load_saved
from dahlia.modeling.box_curve import BoxCurve, CurvePoint, save_box_curve
from dahlia.modeling.box_predictions import save_box_predictions
from dahlia.params import EvaluateParams, Params, ProjectParams
from dahlia.stages import evaluate
from generated_boxes import generated


@pytest.fixture
def params() -> Params:
    sections = SimpleNamespace(
        kind="detection",
        project=ProjectParams(name="cutlery", classification="multiclass", negative_tag=None, seed=0),
        evaluate=EvaluateParams(
            threshold=0.5, confidence=0.95, bootstrap_samples=200, calibration_bins=10, worst_images=4
        ),
    )
    return cast(Params, sections)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    predictions = generated(photos=24, test=6)
    save_box_predictions(tmp_path / "models" / "predictions.parquet", predictions)
    points = (CurvePoint(photos=8, average_precision=0.4), CurvePoint(photos=16, average_precision=0.8))
    save_box_curve(tmp_path / "models" / "learning_curve.json", BoxCurve(recipe="quick", points=points))
    records = [
        ImageRecord(image, f"data/{number}.jpg", 8, 8, (), (), "train", "csv", "0" * 16)
        for number, image in enumerate(predictions.ids)
    ]
    save_manifest(tmp_path / "data" / "dataset" / "manifest.parquet", records)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_writes_the_reports_and_prints_the_summary(
    project: Path, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate.run(params, project)
    reports = project / "reports"
    assert sorted(path.name for path in reports.iterdir()) == [
        "evaluation.html",
        "evaluation.json",
        "metrics.json",
        "plots",
    ]
    evaluation = load_saved(reports / "evaluation.json")
    numbers: dict[str, Any] = json.loads((reports / "metrics.json").read_text())
    assert numbers[FIGURES["detection"]] == evaluation.held_out.overall.map50.value
    said = capsys.readouterr().out
    assert "held-out boxes found" in said
    assert "More photos would likely help" in said


def test_runs_twice_to_the_same_bytes(project: Path, params: Params) -> None:
    evaluate.run(params, project)
    first = contents(project / "reports")
    evaluate.run(params, project)
    assert contents(project / "reports") == first


def test_the_command_shows_the_last_evaluation(
    project: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate.run(params, project)
    monkeypatch.chdir(project)
    said = CliRunner().invoke(cli, ["report"], catch_exceptions=False).output
    assert "held-out boxes found" in said


@pytest.mark.parametrize(
    "missing",
    ["models/predictions.parquet", "models/learning_curve.json", "data/dataset/manifest.parquet"],
)
def test_names_what_is_missing(project: Path, params: Params, missing: str) -> None:
    (project / missing).unlink()
    with pytest.raises(DahliaError, match="is not there"):
        evaluate.run(params, project)
    assert not (project / "reports").exists()
