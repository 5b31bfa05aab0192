from __future__ import annotations

from collections.abc import Callable

import pytest

from dahlia.evaluation.mistakes import confusion, worst
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
