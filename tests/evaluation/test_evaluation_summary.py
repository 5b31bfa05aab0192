from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from dahlia.evaluation.evaluation import evaluate
from dahlia.evaluation.figures import Estimate
from dahlia.evaluation.summary import (
    headline,
    in_words,
    rate_range,
    save_metrics,
    summary_table,
    two_decimals,
)
from dahlia.modeling.predictions import ClassPredictions, LearningCurve
from dahlia.params import EvaluateParams

Make = Callable[..., ClassPredictions]


def printed(table: object) -> str:
    console = Console(width=100, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_headline_says_how_good_and_how_sure(written: Make, params: EvaluateParams) -> None:
    predictions = written([[0], [1], [1], [0]], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.8, 0.2]])
    evaluation = evaluate(predictions, params, seed=0, negative_tag=None)
    first, second = headline(evaluation, evaluation.held_out)
    assert first == "3 of 4 held-out photos are right"
    assert second.startswith("The true rate is likely between ")


def test_headline_of_many_tags(generated: Make, params: EvaluateParams) -> None:
    predictions = generated(20, classification="multilabel", test=5)
    evaluation = evaluate(predictions, params, seed=0, negative_tag=None)
    assert evaluation.test is not None
    assert "test photos have every tag right" in headline(evaluation, evaluation.test)[0]


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.861, 0.971, "86 % and 98 %"), (0.87, 0.97, "87 % and 97 %"), (0.0, 1.0, "0 % and 100 %")],
)
def test_ranges_are_rounded_outwards(low: float, high: float, words: str) -> None:
    assert rate_range(Estimate(value=0.9, low=low, high=high, images=10)) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.934, "0.93"), (1.0, "1.00"), (0.9962, "0.996"), (0.9999, "0.999+"), (None, "-"), (0.0, "0.00")],
)
def test_nearly_perfect_is_not_perfect(value: float | None, words: str) -> None:
    assert two_decimals(value) == words


def test_in_words() -> None:
    assert in_words(Estimate(value=0.93, low=0.81, high=0.98, images=9)) == "0.93 [0.81, 0.98]"
    assert in_words(Estimate(value=None, low=None, high=None, images=0)) == "-"


def test_the_table_shows_every_tag_literally(generated: Make, params: EvaluateParams) -> None:
    predictions = generated(30, tags=("[red]oak[/red]", "birch", "none of these"))
    text = printed(summary_table(evaluate(predictions, params, seed=0, negative_tag="none of these")))
    assert "[red]oak[/red]" in text
    assert "none of these (negative)" in text
    assert "[95 % interval]" in text


def test_the_table_says_whether_more_photos_would_help(
    generated: Make, curved: Callable[..., LearningCurve], params: EvaluateParams
) -> None:
    predictions = generated(60, tags=("[red]oak[/red]", "birch"))
    curve = curved(predictions, steep=0.0)
    evaluation = evaluate(predictions, params, seed=0, negative_tag=None, curve=curve)
    assert evaluation.learning is not None
    text = " ".join(printed(summary_table(evaluation)).split())
    assert evaluation.learning.sentences[0] in text
    assert all(sentence not in text for sentence in evaluation.learning.sentences[1:])


def test_metrics_are_flat_and_leave_out_what_is_not_defined(
    written: Make, params: EvaluateParams, tmp_path: Path
) -> None:
    predictions = written([[0], []], [[0.1, 0.2], [0.2, 0.1]], "multilabel")
    save_metrics(tmp_path / "metrics.json", evaluate(predictions, params, seed=0, negative_tag=None))
    numbers = json.loads((tmp_path / "metrics.json").read_text())
    assert "precision" not in numbers
    assert numbers["recall"] == 0
    assert list(numbers.pop("tag_ap")) == ["a"]
    assert all(isinstance(value, int | float) for value in numbers.values())


def test_metrics_of_the_test_set(generated: Make, params: EvaluateParams, tmp_path: Path) -> None:
    evaluation = evaluate(generated(30, test=10), params, seed=0, negative_tag=None)
    save_metrics(tmp_path / "metrics.json", evaluation)
    numbers = json.loads((tmp_path / "metrics.json").read_text())
    assert numbers["test_images"] == 10
    assert {"accuracy", "precision", "recall", "f1", "ap", "ece", "test_accuracy"} <= set(numbers)
