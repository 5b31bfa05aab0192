from __future__ import annotations

from collections.abc import Callable

import pytest

from dahlia.evaluation.evaluation import confusion, find_label_issues, worst
from dahlia.modeling.predictions import ClassPredictions

Make = Callable[..., ClassPredictions]


def test_confusion_of_one_tag_each(written: Make) -> None:
    predictions = written(
        [[0], [0], [1], [2]], [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.5, 0.1, 0.4]]
    )
    assert confusion(predictions, 0.5).counts == ((1, 1, 0), (0, 1, 0), (1, 0, 0))


def test_confusion_of_many_tags(written: Make) -> None:
    predictions = written(
        [[0], [0, 1], [], [1]], [[0.8, 0.6], [0.4, 0.7], [0.9, 0.1], [0.5, 0.5]], "multilabel"
    )
    assert confusion(predictions, 0.5).counts == ((0, 2, 1, 1), (1, 1, 0, 2))


def test_confident_and_wrong_comes_first(written: Make) -> None:
    predictions = written([[0], [0], [0], [1]], [[0.9, 0.1], [0.4, 0.6], [0.02, 0.98], [0.7, 0.3]])
    found = worst(predictions, 0.5, 2, {predictions.ids[2]: "c.jpg"})
    assert [each.image for each in found] == [predictions.ids[2], predictions.ids[3]]
    assert (found[0].path, found[0].truth, found[0].predicted) == ("c.jpg", ("a",), ("b",))
    assert (found[0].probability, found[0].true_probability) == (0.98, 0.02)
    assert found[0].loss == pytest.approx(3.91202, abs=1e-5)


def test_right_but_below_the_threshold_counts(written: Make) -> None:
    predictions = written([[0], [0]], [[0.4, 0.3, 0.3], [0.9, 0.05, 0.05]])
    (only,) = worst(predictions, 0.5, 9, {})
    assert only.truth == only.predicted == ("a",)


def test_the_most_wrong_of_many_tags(written: Make) -> None:
    predictions = written([[0], [0, 1]], [[0.3, 0.95], [0.8, 0.9]], "multilabel")
    (only,) = worst(predictions, 0.5, 9, {})
    assert (only.tag, only.probability, only.truth, only.predicted) == ("b", 0.95, ("a",), ("b",))
    assert only.true_probability == pytest.approx(0.05)


def test_nothing_wrong(written: Make) -> None:
    assert worst(written([[0], [1]], [[0.9, 0.1], [0.1, 0.9]]), 0.5, 9, {}) == ()


@pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
def test_finds_the_wrong_tags_first(generated: Make, classification: str) -> None:
    predictions = generated(90, classification=classification, strength=7.0, wrong=4)
    issues = find_label_issues(predictions, {predictions.ids[0]: "photos/0.jpg"})
    assert {issue.image for issue in issues} == set(predictions.ids[:4])
    assert [issue.score for issue in issues] == sorted(issue.score for issue in issues)
    first = next(issue for issue in issues if issue.image == predictions.ids[0])
    assert first.path == "photos/0.jpg"
    assert first.given != first.suggested


def test_suggests_the_tag_that_was_swapped(generated: Make) -> None:
    predictions = generated(60, strength=8.0, wrong=1)
    (issue,) = find_label_issues(predictions, {})
    assert (issue.given, issue.suggested, issue.path) == (("birch",), ("oak",), None)


def test_of_several_tags_none_is_called_wrong(generated: Make) -> None:
    predictions = generated(60, strength=8.0, wrong=1)
    predictions.truth[0] = True
    assert find_label_issues(predictions, {}) == ()


def test_right_tags_give_nothing(generated: Make) -> None:
    assert find_label_issues(generated(60, strength=40.0, wrong=0), {}) == ()


@pytest.mark.parametrize(
    ("truth", "chances"),
    [
        ([[0], [0]], [[0.1, 0.9], [0.6, 0.4]]),
        ([[0], [1]], [[0.1, 0.9], [0.9, 0.1]]),
        ([[0], [0], [1]], [[0.1, 0.9], [0.9, 0.1], [0.2, 0.8]]),
    ],
    ids=["one tag only", "one image each", "too few of one"],
)
def test_too_few_images_are_left_out(
    written: Make, truth: list[list[int]], chances: list[list[float]]
) -> None:
    assert find_label_issues(written(truth, chances), {}) == ()


@pytest.mark.parametrize("present", [0, 1, 3, 4], ids=["none", "one", "all but one", "all"])
def test_multilabel_tags_of_nearly_none_or_all(written: Make, present: int) -> None:
    truth = [[0] if row < present else [] for row in range(4)]
    predictions = written(truth, [[0.9], [0.1], [0.9], [0.1]], "multilabel")
    assert find_label_issues(predictions, {}) == ()


def test_an_absent_tag_and_impossible_rows_do_no_harm(written: Make) -> None:
    truth = [[0], [0], [0], [1], [1], [1]]
    chances = [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]
    issues = find_label_issues(written(truth, chances), {})
    assert all(issue.suggested != ("c",) for issue in issues)
