from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dahlia.dataset.records import ImageRecord
from dahlia.errors import EvaluationError
from dahlia.evaluation.evaluation import evaluate, load_evaluation, save_evaluation
from dahlia.modeling.predictions import ClassPredictions, LearningCurve
from dahlia.params import EvaluateParams

Make = Callable[..., ClassPredictions]


@pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
@pytest.mark.parametrize("test", [0, 20])
def test_round_trip(
    generated: Make, params: EvaluateParams, tmp_path: Path, classification: str, test: int
) -> None:
    predictions = generated(60, classification=classification, test=test)
    evaluation = evaluate(predictions, params, seed=0, negative_tag=None)
    save_evaluation(tmp_path / "evaluation.json", evaluation)
    assert load_evaluation(tmp_path / "evaluation.json") == evaluation
    assert (evaluation.test is None) == (test == 0)
    assert evaluation.held_out.overall.images == 60


def test_the_same_bytes_twice_and_in_any_order(
    generated: Make, params: EvaluateParams, tmp_path: Path
) -> None:
    predictions = generated(60, test=9)
    order = np.random.default_rng(1).permutation(69)
    shuffled = ClassPredictions(
        ids=tuple(predictions.ids[row] for row in order),
        tags=predictions.tags,
        kind=predictions.kind,
        fold=predictions.fold[order],
        truth=predictions.truth[order],
        probabilities=predictions.probabilities[order],
        uncalibrated=predictions.uncalibrated[order],
    )
    for name, each in (("one", predictions), ("two", predictions), ("three", shuffled)):
        save_evaluation(tmp_path / name, evaluate(each, params, seed=3, negative_tag=None))
    first = (tmp_path / "one").read_bytes()
    assert first == (tmp_path / "two").read_bytes() == (tmp_path / "three").read_bytes()


def test_the_test_set_is_apart(generated: Make, params: EvaluateParams) -> None:
    alone = generated(60)
    with_test = generated(60, test=30)
    shared = replace(
        with_test,
        truth=np.concatenate([alone.truth, with_test.truth[60:]]),
        probabilities=np.concatenate([alone.probabilities, with_test.probabilities[60:]]),
        uncalibrated=np.concatenate([alone.uncalibrated, with_test.uncalibrated[60:]]),
    )
    expected = evaluate(alone, params, seed=0, negative_tag=None)
    found = evaluate(shared, params, seed=0, negative_tag=None)
    assert found.held_out == expected.held_out
    assert found.thresholds == expected.thresholds
    assert found.test is not None
    assert found.test.overall.images == 30


def test_a_learning_curve_is_told_and_kept(
    generated: Make, curved: Callable[..., LearningCurve], params: EvaluateParams, tmp_path: Path
) -> None:
    predictions = generated(60, test=9)
    evaluation = evaluate(predictions, params, seed=0, negative_tag=None, curve=curved(predictions))
    assert evaluation.learning is not None
    assert evaluation.learning.whole.points[-1].value == evaluation.held_out.overall.accuracy.value
    assert [each.tag for each in evaluation.learning.tags] == list(predictions.tags)
    save_evaluation(tmp_path / "evaluation.json", evaluation)
    assert load_evaluation(tmp_path / "evaluation.json") == evaluation
    assert evaluate(predictions, params, seed=0, negative_tag=None).learning is None


def test_an_evaluation_from_before_there_was_a_learning_curve(
    generated: Make, params: EvaluateParams, tmp_path: Path
) -> None:
    old = evaluate(generated(30), params, seed=0, negative_tag=None)
    values = old.model_dump(mode="json")
    del values["learning"]
    (tmp_path / "evaluation.json").write_text(json.dumps(values))
    assert load_evaluation(tmp_path / "evaluation.json") == old


def test_a_learning_curve_of_other_photos_is_refused(
    generated: Make, curved: Callable[..., LearningCurve], params: EvaluateParams
) -> None:
    with pytest.raises(EvaluationError, match=r"of 60 held-out images .* one of 30 images"):
        evaluate(generated(60), params, seed=0, negative_tag=None, curve=curved(generated(30)))


def test_says_what_it_counted(generated: Make, params: EvaluateParams) -> None:
    evaluation = evaluate(generated(60), params, seed=0, negative_tag="birch")
    assert (evaluation.folds, evaluation.threshold, evaluation.negative_tag) == (5, 0.5, "birch")
    assert evaluate(generated(60), params, seed=0, negative_tag="none").negative_tag is None


def test_knows_paths(generated: Make, params: EvaluateParams) -> None:
    predictions = generated(60)
    record = ImageRecord(predictions.ids[0], "photos/a.jpg", 9, 9, ("oak",), (), "train", "folder", "0" * 16)
    evaluation = evaluate(predictions, params, seed=0, negative_tag=None, records=[record])
    assert "photos/a.jpg" in [each.path for each in evaluation.held_out.mistakes]


def test_the_file_is_plain_json(generated: Make, params: EvaluateParams, tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    save_evaluation(path, evaluate(generated(6), params, seed=0, negative_tag=None))

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(path.read_text(), parse_constant=refuse)["format"] == 1


def _set(
    name: str, row: int, column: int | slice, value: float
) -> Callable[[ClassPredictions], ClassPredictions]:
    def change(predictions: ClassPredictions) -> ClassPredictions:
        values: Any = getattr(predictions, name).copy()
        values[row, column] = value
        return replace(predictions, **{name: values})

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p.where(np.zeros(len(p.ids), bool)), "none for held-out images"),
        (lambda p: p.where(p.fold == -1), "none for held-out images"),
        (_set("probabilities", 2, 1, float("nan")), "expected 0 to 1"),
        (_set("uncalibrated", 2, 1, float("inf")), "expected 0 to 1"),
        (_set("probabilities", 2, 1, 1.5), "expected 0 to 1"),
        (_set("probabilities", 2, 1, 0.0), "sum to"),
        (_set("truth", 1, slice(None), False), "has no tag, expected at least one"),
        (lambda p: replace(p, truth=p.truth[:, :2]), "truth has the shape"),
        (lambda p: replace(p, ids=(p.ids[1], *p.ids[1:])), "appears twice"),
        (lambda p: replace(p, tags=("oak", "oak", "elm")), "none twice"),
        (lambda p: replace(p, kind="detection"), "expected multiclass or multilabel"),
    ],
)
def test_refuses(
    generated: Make,
    params: EvaluateParams,
    change: Callable[[ClassPredictions], ClassPredictions],
    words: str,
) -> None:
    # row 1 is a birch and row 2 a maple, so each change breaks one rule alone
    predictions = generated(12, test=3, wrong=0, strength=1.0)
    with pytest.raises(EvaluationError, match=words) as caught:
        evaluate(change(predictions), params, seed=0, negative_tag=None)
    assert "dvc repro train" in str(caught.value)


def test_multiclass_images_with_several_tags(written: Make, params: EvaluateParams) -> None:
    # Right, for its likelier tag counts; right; wrong.
    predictions = written([[0, 1], [2], [1, 2]], [[0.3, 0.6, 0.1], [0.1, 0.1, 0.8], [0.5, 0.3, 0.2]])
    figures = evaluate(predictions, params, seed=0, negative_tag=None).held_out
    assert figures.overall.correct == 2
    assert figures.confusion.counts == ((0, 0, 0), (1, 1, 0), (0, 0, 1))
    assert [tag.positives for tag in figures.tags] == [1, 2, 2]
    assert [(each.truth, each.predicted) for each in figures.mistakes] == [(("b", "c"), ("a",))]


@pytest.mark.parametrize(("text", "words"), [(None, "is not there"), ("{}", "is not an evaluation")])
def test_refuses_to_load(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "evaluation.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(EvaluationError, match=words):
        load_evaluation(path)


@pytest.mark.parametrize(
    ("images", "tags"), [(1, ("a", "b")), (2, ("a", "b")), (4, ("a",)), (7, tuple("abcdef"))]
)
@pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
def test_tiny_sets(
    generated: Make, params: EvaluateParams, images: int, tags: tuple[str, ...], classification: str
) -> None:
    predictions = generated(images, tags, classification, wrong=0)
    evaluation = evaluate(predictions, params, seed=0, negative_tag=None)
    assert evaluation.held_out.overall.images == images


def test_with_a_gate_probabilities_may_sum_to_less(generated: Make, params: EvaluateParams) -> None:
    predictions = generated(30)
    lowered = replace(predictions, probabilities=predictions.probabilities * 0.3)
    with pytest.raises(EvaluationError, match=r"sum to 0\.3, expected 1"):
        evaluate(lowered, params, seed=0, negative_tag=None)
    found = evaluate(replace(lowered, gated=True), params, seed=0, negative_tag=None)
    assert found.taken_for_none is not None
    assert len(found.taken_for_none) == 30
    chances = [each.probability for each in found.taken_for_none]
    assert chances == sorted(chances, reverse=True)
    assert evaluate(predictions, params, seed=0, negative_tag=None).taken_for_none is None
    raised = replace(predictions, probabilities=np.minimum(predictions.probabilities * 1.5, 1.0), gated=True)
    with pytest.raises(EvaluationError, match="expected at most 1"):
        evaluate(raised, params, seed=0, negative_tag=None)


def test_photos_without_a_tag_are_not_taken_for_none(generated: Make, params: EvaluateParams) -> None:
    predictions = generated(40, classification="multilabel")
    low = replace(predictions, probabilities=predictions.probabilities * 0.01, gated=True)
    found = evaluate(low, params, seed=0, negative_tag=None)
    assert found.taken_for_none is not None
    assert len(found.taken_for_none) == int(predictions.truth.any(1).sum())
