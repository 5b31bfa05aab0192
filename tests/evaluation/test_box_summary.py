from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from dahlia.evaluation.detection.evaluation import evaluate_detector
from dahlia.evaluation.detection.summary import headline, save_box_metrics, save_box_plots
from dahlia.evaluation.saved import summary_of
from dahlia.params import EvaluateParams
from generated_boxes import Written, generated, written

BOX = (0, 0.1, 0.1, 0.4, 0.4)
FAR = (0, 0.7, 0.7, 0.2, 0.2)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("truth", "found", "first"),
    [
        ([BOX, FAR], [(*BOX, 0.9)], "1 of 2 held-out boxes found, no false alarms"),
        ([BOX], [(*BOX, 0.9), (*FAR, 0.9)], "1 of 1 held-out box found, 1 false alarm"),
        ([], [(*BOX, 0.9), (*FAR, 0.9)], "No box is drawn in 1 held-out photo; 2 false alarms"),
    ],
)
def test_headline(truth: Written, found: Written, first: str, params: EvaluateParams) -> None:
    evaluation = evaluate_detector(written([truth], [found]), params, seed=0)
    assert headline(evaluation, evaluation.held_out)[0] == first


def test_headline_says_how_sure_it_is_and_whose_photos(params: EvaluateParams) -> None:
    evaluation = evaluate_detector(generated(photos=30, test=9), params, seed=0)
    assert headline(evaluation, evaluation.held_out)[1].startswith("Mean average precision is likely between")
    assert evaluation.test is not None
    assert "test boxes found" in headline(evaluation, evaluation.test)[0]


def test_the_table_has_every_tag(params: EvaluateParams) -> None:
    evaluation = evaluate_detector(generated(tags=("fork [old]", "knife")), params, seed=0)
    console = Console(width=100)
    with console.capture() as capture:
        console.print(summary_of(evaluation))
    said = capture.get()
    assert "held-out boxes found" in said
    for word in ("fork [old]", "knife", "all", "overlap 0.5"):
        assert word in said


def test_a_long_tag_is_cut_in_the_middle(params: EvaluateParams) -> None:
    long = "fork " + "with very many words " * 6 + "three tines"
    evaluation = evaluate_detector(generated(tags=(long, "knife")), params, seed=0)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(summary_of(evaluation))
    row = next(line for line in capture.get().splitlines() if line.startswith("fork"))
    assert "three tines " in row
    assert "]" in row


def test_a_box_that_overlaps_too_little_matches_no_drawn_one(params: EvaluateParams, tmp_path: Path) -> None:
    beside = (0, 0.3, 0.1, 0.4, 0.4, 0.9)
    evaluation = evaluate_detector(written([[BOX]], [[(*BOX, 0.9), beside]]), params, seed=0)
    assert evaluation.held_out.overall.faults["misplaced"] == 1
    assert evaluation.held_out.overall.faults["missed"] == 0
    save_box_plots(tmp_path / "plots", evaluation)
    pairs = [tuple(row.values()) for row in rows(tmp_path / "plots" / "confusion.csv")]
    assert [actual for actual, _ in pairs].count("(no drawn box)") == 1


def test_metrics_are_flat_numbers(params: EvaluateParams, tmp_path: Path) -> None:
    evaluation = evaluate_detector(generated(photos=30, test=9), params, seed=0)
    save_box_metrics(tmp_path / "metrics.json", evaluation)
    numbers = json.loads((tmp_path / "metrics.json").read_text())
    overall = evaluation.held_out.overall
    assert numbers["map50"] == overall.map50.value
    assert numbers["map50_low"] <= numbers["map50"] <= numbers["map50_high"]
    assert numbers["map30"] >= numbers["map50"] >= numbers["map"]
    assert set(numbers["tag_ap"]) == {"fork", "knife", "spoon"}
    assert {"precision", "recall", "f1", "ece", "nll", "boxes", "images", "test_map50"} <= set(numbers)


def test_what_is_not_defined_is_left_out(params: EvaluateParams, tmp_path: Path) -> None:
    evaluation = evaluate_detector(written([[], []], [[], []]), params, seed=0)
    save_box_metrics(tmp_path / "metrics.json", evaluation)
    numbers = json.loads((tmp_path / "metrics.json").read_text())
    assert numbers == {"images": 2, "boxes": 0, "likely_wrong_boxes": 0, "tag_ap": {}}


def test_plots_are_those_that_dvc_draws(params: EvaluateParams, tmp_path: Path) -> None:
    evaluation = evaluate_detector(generated(photos=30), params, seed=0)
    save_box_plots(tmp_path / "plots", evaluation)
    overall = evaluation.held_out.overall
    pairs = Counter((row["actual"], row["predicted"]) for row in rows(tmp_path / "plots" / "confusion.csv"))
    assert sum(count for (actual, _), count in pairs.items() if actual != "(no drawn box)") == overall.boxes
    assert sum(count for (_, taken), count in pairs.items() if taken != "(missed)") == overall.predicted
    for name, x, y in (("pr.csv", "recall", "precision"), ("calibration.csv", "confidence", "accuracy")):
        found = rows(tmp_path / "plots" / name)
        assert len({row["series"] for row in found}) == 3
        assert all(0 <= float(row[column]) <= 1 for row in found for column in (x, y))


def test_the_learning_curve_goes_to_its_file(params: EvaluateParams, tmp_path: Path) -> None:
    evaluation = evaluate_detector(generated(), params, seed=0, curve=[(13.0, 0.4), (26.0, 0.7)])
    save_box_plots(tmp_path / "plots", evaluation)
    found = rows(tmp_path / "plots" / "learning_curve.csv")
    assert [(row["share"], row["right"]) for row in found] == [("0.5", "0.4"), ("1.0", "0.7")]


@pytest.mark.parametrize(
    "name", ["roc.csv", "learning_curve.csv", "confusion.csv", "pr.csv", "calibration.csv"]
)
def test_every_file_is_there_though_there_is_nothing_to_draw(
    name: str, params: EvaluateParams, tmp_path: Path
) -> None:
    evaluation = evaluate_detector(written([[], []], [[], []]), params, seed=0)
    save_box_plots(tmp_path / "plots", evaluation)
    assert (tmp_path / "plots" / name).read_text(encoding="utf-8").count("\n") == 1
    assert rows(tmp_path / "plots" / name) == []
