from __future__ import annotations

from collections.abc import Callable

import pytest

from dahlia.evaluation.label_issues import find_label_issues
from dahlia.modeling.predictions import ClassPredictions

Make = Callable[..., ClassPredictions]


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
