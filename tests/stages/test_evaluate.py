from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from dahlia.dataset.manifest import save_manifest
from dahlia.dataset.records import ImageRecord
from dahlia.errors import DahliaError, EvaluationError
from dahlia.evaluation.evaluation import load_evaluation
from dahlia.modeling.predictions import (
    ClassPredictions,
    FoldOutcomes,
    LearningCurve,
    save_learning_curve,
    save_predictions,
)
from dahlia.params import EvaluateParams, Params, ProjectParams
from dahlia.stages import evaluate

WRITTEN = ["evaluation.html", "evaluation.json", "metrics.json", "plots"]


@pytest.fixture
def params() -> Params:
    sections = SimpleNamespace(
        kind="multiclass",
        project=ProjectParams(name="trees", classification="multiclass", negative_tag=None, seed=0),
        evaluate=EvaluateParams(
            threshold=0.5, confidence=0.95, bootstrap_samples=200, calibration_bins=10, worst_images=4
        ),
    )
    return cast(Params, sections)


def predictions_of(images: int) -> ClassPredictions:
    chances = np.random.default_rng(0).dirichlet((1, 1), size=images)
    return ClassPredictions(
        ids=tuple(hashlib.sha256(bytes([number])).hexdigest() for number in range(images)),
        tags=("oak", "birch"),
        kind="multiclass",
        fold=np.arange(images, dtype=np.int32) % 5,
        truth=np.eye(2, dtype=bool)[np.arange(images) % 2],
        probabilities=chances,
        uncalibrated=chances,
    )


def curve_of(images: int) -> LearningCurve:
    tag = FoldOutcomes(fold=0, learned=(2, 4, 6, 8), outcomes={"0011": images // 2})
    whole = FoldOutcomes(fold=0, learned=(4, 8, 12, 16), outcomes={"0011": images})
    return LearningCurve(
        recipe="quick",
        classification="multiclass",
        shares=(0.25, 0.5, 0.75, 1.0),
        tags=("oak", "birch"),
        whole=(whole,),
        by_tag=((tag,), (tag,)),
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    predictions = predictions_of(20)
    save_predictions(tmp_path / "models" / "predictions.parquet", predictions)
    save_learning_curve(tmp_path / "models" / "learning_curve.json", curve_of(20))
    records = [
        ImageRecord(image, f"data/{number}.jpg", 8, 8, ("oak",), (), "train", "folder", "0" * 16)
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
    assert sorted(path.name for path in reports.iterdir()) == WRITTEN
    evaluation = load_evaluation(reports / "evaluation.json")
    numbers: dict[str, Any] = json.loads((reports / "metrics.json").read_text())
    assert numbers["accuracy"] == evaluation.held_out.overall.accuracy.value
    said = capsys.readouterr().out
    assert "of 20 held-out photos" in said
    assert evaluation.learning is not None
    assert evaluation.learning.sentences[0] in " ".join(said.split())
    assert "Would more photos help?" in (reports / "evaluation.html").read_text(encoding="utf-8")
    assert (reports / "plots" / "learning_curve.csv").is_file()


def test_runs_twice_to_the_same_bytes(project: Path, params: Params) -> None:
    evaluate.run(params, project)
    first = contents(project / "reports")
    evaluate.run(params, project)
    assert contents(project / "reports") == first


def test_leaves_what_was_there_when_it_cannot_judge(project: Path, params: Params) -> None:
    evaluate.run(params, project)
    before = contents(project / "reports")
    save_predictions(project / "models" / "predictions.parquet", predictions_of(0))
    with pytest.raises(EvaluationError, match="none for held-out images"):
        evaluate.run(params, project)
    assert contents(project / "reports") == before


def test_refuses_the_learning_curve_of_another_training(project: Path, params: Params) -> None:
    save_learning_curve(project / "models" / "learning_curve.json", curve_of(18))
    with pytest.raises(EvaluationError, match="dvc repro train"):
        evaluate.run(params, project)
    assert not (project / "reports").exists()


@pytest.mark.parametrize(
    "missing",
    ["models/predictions.parquet", "models/learning_curve.json", "data/dataset/manifest.parquet"],
)
def test_names_what_is_missing(project: Path, params: Params, missing: str) -> None:
    (project / missing).unlink()
    with pytest.raises(DahliaError, match="is not there"):
        evaluate.run(params, project)
