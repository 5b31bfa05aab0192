from __future__ import annotations

import pytest

from dahlia.evaluation.detection.evaluation import evaluate_detector
from dahlia.evaluation.detection.figures import BoxLabelIssue
from dahlia.params import EvaluateParams
from generated_boxes import Written, written

BOX = (0, 0.1, 0.1, 0.4, 0.4)
FAR = (0, 0.7, 0.7, 0.2, 0.2)
FINE: list[Written] = [[BOX]] * 8
FOUND: list[Written] = [[(*BOX, 0.8)]] * 8


def issues(truth: Written, found: Written, params: EvaluateParams) -> list[BoxLabelIssue]:
    """Of one photo after eight that are fine; the photos need boxes of every tag to be sure of."""
    knives: list[Written] = [[(1, *BOX[1:])]] * 4
    seen: list[Written] = [[(1, *BOX[1:], 0.8)]] * 4
    predictions = written([*FINE, *knives, truth], [*FOUND, *seen, found])
    return list(evaluate_detector(predictions, params, seed=0).label_issues)


def test_nothing_is_said_of_what_is_fine(params: EvaluateParams) -> None:
    assert issues([BOX, FAR], [(*BOX, 0.9), (*FAR, 0.9)], params) == []


def test_an_object_without_a_box(params: EvaluateParams) -> None:
    (issue,) = issues([BOX], [(*BOX, 0.9), (*FAR, 0.9)], params)
    assert (issue.problem, issue.suggested, issue.given, issue.place) == ("missing", "fork", None, None)
    assert issue.score == pytest.approx(0.1)
    assert issue.suggested_place.left == pytest.approx(0.7)


@pytest.mark.parametrize("score", [0.3, 0.6])
def test_only_a_sure_model_contradicts(score: float, params: EvaluateParams) -> None:
    assert issues([BOX], [(*BOX, 0.9), (*FAR, score)], params) == []


def test_a_part_of_a_drawn_object_is_not_missing(params: EvaluateParams) -> None:
    assert issues([BOX], [(*BOX, 0.9), (0, 0.15, 0.15, 0.1, 0.1, 0.9)], params) == []


def test_one_place_is_told_once(params: EvaluateParams) -> None:
    found = [(*BOX, 0.9), (*FAR, 0.95), (1, *FAR[1:], 0.9)]
    assert [issue.suggested for issue in issues([BOX], found, params)] == ["fork"]


def test_a_box_with_another_tag(params: EvaluateParams) -> None:
    (issue,) = issues([(1, *FAR[1:])], [(*FAR, 0.9), (1, *FAR[1:], 0.1)], params)
    assert (issue.problem, issue.given, issue.suggested) == ("wrong_tag", "knife", "fork")
    assert issue.score == pytest.approx(0.2)
    assert issue.overlap == 1


def test_a_tag_of_which_the_model_is_as_sure_stays(params: EvaluateParams) -> None:
    assert issues([(1, *FAR[1:])], [(*FAR, 0.9), (1, *FAR[1:], 0.92)], params) == []


def test_two_objects_at_one_place_are_no_wrong_tag(params: EvaluateParams) -> None:
    drawn = [(1, *FAR[1:]), (0, 0.71, 0.7, 0.2, 0.2)]
    assert issues(drawn, [(0, 0.705, 0.7, 0.2, 0.2, 0.9)], params) == []


def test_a_box_in_another_place(params: EvaluateParams) -> None:
    (issue,) = issues([BOX], [(0, 0.28, 0.1, 0.4, 0.4, 0.9)], params)
    assert (issue.problem, issue.given, issue.suggested) == ("misplaced", "fork", "fork")
    assert issue.overlap == pytest.approx(0.22 / 0.58, abs=1e-3)


def test_a_model_that_places_all_boxes_loosely_says_nothing(params: EvaluateParams) -> None:
    loose: list[Written] = [[(0, 0.22 + 0.01 * row, 0.1, 0.4, 0.4, 0.8)] for row in range(8)]
    predictions = written(FINE, loose)
    assert evaluate_detector(predictions, params, seed=0).label_issues == ()


def test_the_most_likely_come_first(params: EvaluateParams) -> None:
    found = [(*BOX, 0.9), (*FAR, 0.85), (0, 0.6, 0.1, 0.2, 0.2, 0.99)]
    told = issues([BOX], found, params)
    assert [issue.probability for issue in told] == [pytest.approx(0.99), pytest.approx(0.85)]
