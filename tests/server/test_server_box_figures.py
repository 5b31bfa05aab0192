"""The API's figures of detectors: those of the report, at any threshold and any overlap."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from dahlia.errors import EvaluationError
from dahlia.evaluation.detection.evaluation import evaluate_detector
from dahlia.params import EvaluateParams
from dahlia.server.iterations import box_figures
from dahlia.server.iterations.box_figures import KEPT_OVERLAPS, BoxFigures
from dahlia.server.iterations.figures import Score
from dahlia.server.iterations.held_out import BoxScores, FoundTag, HeldOutBoxes
from dahlia.serving.models.readers import Place
from generated_boxes import generated, written

LEFT, RIGHT = (0.1, 0.1, 0.2, 0.4), (0.6, 0.1, 0.2, 0.4)
SHIFTED = (0.15, 0.1, 0.2, 0.4)  # overlaps LEFT by 0.15 / 0.25
FORK, KNIFE = 0, 1


def numbers(found: Score) -> list[float]:
    parts = [dataclasses.asdict(one) for one in (*found.per_tag, found)]
    return [value for part in parts for value in part.values() if isinstance(value, float)]


@pytest.mark.parametrize("overlap", [0.1, 0.3, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.5, 0.81, 1.0])
def test_the_api_says_what_the_report_says(threshold: float, overlap: float) -> None:
    predictions = generated(60, test=20, seed=3)
    rules = EvaluateParams(
        threshold=threshold, overlap=overlap, confidence=0.95, bootstrap_samples=2, calibration_bins=5,
        worst_images=1,
    )  # fmt: skip
    judged = evaluate_detector(predictions, rules, seed=0).held_out
    found = HeldOutBoxes(predictions).score(threshold, overlap)
    for ours, theirs in zip((*found.per_tag, found), (*judged.tags, judged.overall), strict=True):
        assert ours.precision == pytest.approx(theirs.precision.value or 0.0, rel=1e-5)
        assert ours.recall == pytest.approx(theirs.recall.value, rel=1e-5)
        assert ours.average_precision == pytest.approx(theirs.ap.value, rel=1e-5)
    assert [tag.tag for tag in found.per_tag] == [tag.tag for tag in judged.tags]


FIGURES: dict[tuple[float, float], list[tuple[float, float]]] = {
    # threshold and overlap: precision and recall of forks, of knives, and overall
    (0.5, 0.5): [(2 / 3, 1.0), (0.0, 0.0), (2 / 4, 2 / 3)],
    (0.5, 0.61): [(1 / 3, 1 / 2), (0.0, 0.0), (1 / 4, 1 / 3)],
    (0.75, 0.5): [(1.0, 1.0), (0.0, 0.0), (2 / 2, 2 / 3)],
    (0.1, 0.5): [(2 / 3, 1.0), (1 / 2, 1.0), (3 / 5, 1.0)],
    (1.0, 0.5): [(0.0, 0.0), (0.0, 0.0), (0.0, 0.0)],
}


@pytest.mark.parametrize(("asked", "figures"), FIGURES.items())
def test_counted_by_hand(asked: tuple[float, float], figures: list[tuple[float, float]]) -> None:
    """Two forks, one of them found twice; a knife that is found late, and one where nothing is."""
    predictions = written(
        [[(FORK, *LEFT)], [(FORK, *LEFT), (KNIFE, *RIGHT)], []],
        [
            [(FORK, *LEFT, 0.9), (FORK, *SHIFTED, 0.7)],
            [(FORK, *SHIFTED, 0.8), (KNIFE, *RIGHT, 0.2)],
            [(KNIFE, *LEFT, 0.5)],
        ],
        tags=("fork", "knife"),
    )
    found = BoxFigures(predictions).score(*asked)
    assert [(one.precision, one.recall) for one in (*found.per_tag, found)] == [
        pytest.approx(f) for f in figures
    ]


def test_deviations_agree_with_folds_judged_apart() -> None:
    predictions = generated(60)
    apart = [BoxFigures(predictions.where(predictions.fold == fold)).score(0.4, 0.5) for fold in range(3)]
    found = BoxFigures(predictions).score(0.4, 0.5)
    assert found.precision_std == pytest.approx(np.std([one.precision for one in apart]))
    assert found.recall_std == pytest.approx(np.std([one.recall for one in apart]))
    assert found.per_tag[2].recall_std == pytest.approx(np.std([one.per_tag[2].recall for one in apart]))


def test_the_test_set_does_not_count() -> None:
    predictions = generated(40, test=30)
    whole, held_out = HeldOutBoxes(predictions), HeldOutBoxes(predictions.held_out)
    assert whole.score(0.4, 0.3) == held_out.score(0.4, 0.3)
    assert len(whole.images) == 70


def test_the_order_of_the_images_does_not_count() -> None:
    predictions = generated(40)
    mixed = predictions.where(np.random.default_rng(1).permutation(40))
    assert BoxFigures(mixed).score(0.4, 0.5) == BoxFigures(predictions).score(0.4, 0.5)


@pytest.mark.parametrize(("threshold", "overlap"), [(0.0, 0.0), (0.5, 0.3), (1.0, 1.0)])
def test_nothing_is_ever_undefined(threshold: float, overlap: float) -> None:
    nothing = written([[], []], [[], []])
    unseen = written([[(FORK, *LEFT)]] * 2, [[], []])
    cluttered = written([[], []], [[(FORK, *LEFT, 0.5)]] * 2)
    for predictions in (nothing, unseen, cluttered, generated(5)):
        found = BoxFigures(predictions).score(threshold, overlap)
        assert all(math.isfinite(value) and 0 <= value <= 1 for value in numbers(found))


def test_a_tag_that_is_not_drawn_is_no_part_of_the_mean() -> None:
    found = BoxFigures(written([[(FORK, *LEFT)]] * 2, [[(FORK, *LEFT, 0.9)], [(KNIFE, *LEFT, 0.9)]]))
    fork, knife, _ = found.score(0.5, 0.5).per_tag
    assert 0 < fork.average_precision < 1
    assert (knife.average_precision, knife.recall) == (0.0, 0.0)
    assert found.score(0.5, 0.5).average_precision == fork.average_precision


def test_a_score_reaches_the_threshold_that_reads_like_it() -> None:
    predictions = written([[(FORK, *LEFT)]] * 2, [[(FORK, *LEFT, 0.7)]] * 2)
    assert BoxFigures(predictions).score(0.7, 0.5).recall == 1.0
    assert BoxFigures(predictions).score(0.700001, 0.5).recall == 0.0


def test_a_moving_threshold_matches_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def counting(table: Any, overlap: float) -> Any:
        asked.append(overlap)
        return matched(table, overlap)

    matched = box_figures.matched
    monkeypatch.setattr(box_figures, "matched", counting)
    figures = BoxFigures(generated(20))
    for threshold in (0.1, 0.5, 0.9):
        figures.score(threshold, 0.3)
    assert asked == [0.3]
    before = figures.size
    overlaps = [round(0.31 + 0.01 * step, 2) for step in range(KEPT_OVERLAPS)]
    for overlap in overlaps:
        figures.score(0.5, overlap)
    assert (asked, figures.size) == ([0.3, *overlaps], before)
    figures.score(0.5, overlaps[0])
    figures.score(0.5, 0.3)  # which made room for the last
    assert asked == [0.3, *overlaps, 0.3]


@pytest.mark.parametrize("asked", [(-0.1, 0.5), (0.5, 1.01), (math.nan, 0.5), (0.5, math.inf)])
def test_shares_that_are_none(asked: tuple[float, float]) -> None:
    with pytest.raises(EvaluationError, match="between 0 and 1, received"):
        BoxFigures(generated(5)).score(*asked)


def test_predictions_of_no_held_out_image() -> None:
    with pytest.raises(EvaluationError, match="no held-out predictions"):
        HeldOutBoxes(generated(0, test=4))


def test_boxes_of_an_image_are_together_by_tags() -> None:
    """As predictions are ordered; inside of the photo, and with plain numbers."""
    over_the_edge = (0.9, 0.5, 0.2, 0.25)
    predictions = written(
        [[], []],
        [[(KNIFE, *LEFT, 0.9), (FORK, *RIGHT, 0.8), (KNIFE, *over_the_edge, 0.7), (FORK, *LEFT, 0.3)], []],
    )
    scores = BoxScores(predictions)
    first, second = predictions.ids
    assert scores[first] == (
        FoundTag("fork", 0.8, Place(*RIGHT)),
        FoundTag("fork", 0.3, Place(*LEFT)),
        FoundTag("knife", 0.9, Place(*LEFT)),
        FoundTag("knife", 0.7, Place(0.9, 0.5, 0.1, 0.25)),
    )
    assert scores[second] == ()
    assert list(scores) == [first, second]
    assert "rose" not in scores
