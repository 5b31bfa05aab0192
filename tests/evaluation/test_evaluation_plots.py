from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from dahlia.evaluation.evaluation import evaluate
from dahlia.evaluation.summary import save_plots
from dahlia.modeling.predictions import ClassPredictions, LearningCurve
from dahlia.params import EvaluateParams

Make = Callable[..., ClassPredictions]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(
    generated: Make, curved: Callable[..., LearningCurve], params: EvaluateParams, tmp_path: Path
) -> Path:
    predictions = generated(60, tags=('oak, "old"', "birch", "maple"), test=9)
    evaluation = evaluate(predictions, params, seed=0, negative_tag=None, curve=curved(predictions))
    save_plots(tmp_path / "plots", evaluation, predictions)
    return tmp_path / "plots"


def test_confusion_has_a_row_per_held_out_image(folder: Path) -> None:
    found = rows(folder / "confusion.csv")
    assert len(found) == 60
    assert {row["actual"] for row in found} == {'oak, "old"', "birch", "maple"}


def test_multilabel_confusion_has_a_row_per_image_and_tag(
    written: Make, params: EvaluateParams, tmp_path: Path
) -> None:
    predictions = written([[0], [1]], [[0.9, 0.8], [0.1, 0.7]], "multilabel")
    save_plots(tmp_path / "plots", evaluate(predictions, params, seed=0, negative_tag=None), predictions)
    pairs = Counter((row["actual"], row["predicted"]) for row in rows(tmp_path / "plots" / "confusion.csv"))
    assert pairs == {("a", "a"): 1, ("not a", "not a"): 1, ("not b", "b"): 1, ("b", "b"): 1}


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("pr.csv", "recall", "precision"),
        ("roc.csv", "false_positive_rate", "true_positive_rate"),
        ("calibration.csv", "confidence", "accuracy"),
    ],
)
def test_lines_stay_between_0_and_1(folder: Path, name: str, x: str, y: str) -> None:
    found = rows(folder / name)
    assert len({row["series"] for row in found}) == 3
    assert all(0 <= float(row[column]) <= 1 for row in found for column in (x, y))


def test_the_learning_curve_of_all_photos_and_of_each_tag(folder: Path) -> None:
    found = rows(folder / "learning_curve.csv")
    assert Counter(row["series"] for row in found) == {
        "all photos": 4,
        'oak, "old"': 4,
        "birch": 4,
        "maple": 4,
    }
    for row in found:
        assert 0 <= float(row["low"]) <= float(row["right"]) <= float(row["high"]) <= 1
    assert [row["share"] for row in found[:4]] == ["0.25", "0.5", "0.75", "1.0"]


def test_without_a_learning_curve_its_file_has_a_header_alone(
    generated: Make, params: EvaluateParams, tmp_path: Path
) -> None:
    predictions = generated(12)
    save_plots(tmp_path / "plots", evaluate(predictions, params, seed=0, negative_tag=None), predictions)
    assert rows(tmp_path / "plots" / "learning_curve.csv") == []


def test_dvc_draws_the_template(folder: Path) -> None:
    from dvc_render.vega import VegaRenderer
    from dvc_render.vega_templates import Template

    content = json.loads(files("dahlia.evaluation").joinpath("templates", "per_tag.json").read_text())
    points = [{**row, "rev": "workspace"} for row in rows(folder / "pr.csv")]
    renderer = VegaRenderer(points, "pr", template=Template(content, "per_tag"), x="recall", y="precision")
    filled = renderer.get_filled_template()
    assert filled["encoding"]["y"]["field"] == "precision"
    assert "<DVC_METRIC" not in json.dumps(filled)
