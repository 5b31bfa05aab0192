from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dahlia.boxes import Boxes
from dahlia.dataset.manifest import TEST_FOLD
from dahlia.errors import EvaluationError
from dahlia.evaluation.detection.evaluation import (
    evaluate_detector,
    save_box_evaluation,
)
from dahlia.evaluation.detection.figures import BoxEvaluation
from dahlia.evaluation.detection.measures import independent_boxes
from dahlia.evaluation.saved import load_saved
from dahlia.modeling.box_predictions import BoxPredictions
from dahlia.params import EvaluateParams
from generated_boxes import TAGS, Written, generated, written

BOX = (0, 0.1, 0.1, 0.4, 0.4)
FAR = (0, 0.7, 0.7, 0.2, 0.2)


@pytest.fixture
def judged(params: EvaluateParams) -> Callable[..., BoxEvaluation]:
    def judge(predictions: BoxPredictions, **changes: object) -> BoxEvaluation:
        return evaluate_detector(predictions, params.model_copy(update=changes), seed=0)

    return judge


Judge = Callable[..., BoxEvaluation]


def test_counts_of_a_written_case(judged: Judge) -> None:
    truth: list[Written] = [[BOX, FAR], [BOX], []]
    found: list[Written] = [
        [(*BOX, 0.9), (1, *FAR[1:], 0.8), (0, 0.12, 0.1, 0.4, 0.4, 0.7)],
        [(0, 0.35, 0.1, 0.4, 0.4, 0.6), (*BOX, 0.4)],
        [(2, 0.5, 0.5, 0.2, 0.2, 0.55)],
    ]
    overall = judged(written(truth, found)).held_out.overall
    assert (overall.images, overall.empty, overall.correct_images) == (3, 1, 0)
    assert (overall.boxes, overall.predicted, overall.correct) == (3, 5, 1)
    assert overall.faults == {
        "missed": 1,
        "wrong_tag": 1,
        "misplaced": 1,
        "duplicate": 1,
        "nothing_there": 1,
    }
    assert overall.precision.value == pytest.approx(1 / 5)
    assert overall.recall.value == pytest.approx(1 / 3, abs=1e-6)


def test_confusion_has_a_row_for_nothing_and_a_column_for_missed(judged: Judge) -> None:
    truth: list[Written] = [[BOX, FAR], [(1, *BOX[1:])]]
    found: list[Written] = [[(*BOX, 0.9), (1, *FAR[1:], 0.8)], [(2, 0.7, 0.7, 0.1, 0.1, 0.8)]]
    counts = judged(written(truth, found)).held_out.confusion.counts
    assert counts == ((1, 1, 0, 0), (0, 0, 0, 1), (0, 0, 0, 0), (0, 0, 1, 0))


def test_every_box_is_in_the_confusion_once(judged: Judge) -> None:
    evaluation = judged(generated(photos=50, per_photo=4, skill=1.0))
    counts = np.array(evaluation.held_out.confusion.counts)
    overall = evaluation.held_out.overall
    assert counts[:-1].sum() == overall.boxes
    assert counts[:, :-1].sum() == overall.predicted
    assert counts[:-1, :-1].trace() == overall.correct
    assert counts[-1, -1] == 0


def test_intervals_hold_their_values_and_narrow(judged: Judge) -> None:
    few, many = (judged(generated(photos=count, per_photo=3, skill=1.0)) for count in (20, 200))
    for evaluation in (few, many):
        overall = evaluation.held_out.overall
        for each in (overall.map50, overall.map, overall.map30, overall.precision, overall.recall):
            assert each.value is not None
            assert each.low is not None
            assert each.high is not None
            assert 0 <= each.low <= each.value <= each.high <= 1

    def width(evaluation: BoxEvaluation) -> float:
        estimate = evaluation.held_out.overall.map50
        return (estimate.high or 0) - (estimate.low or 0)

    assert width(many) < 0.6 * width(few)


def test_a_stricter_overlap_never_helps(judged: Judge) -> None:
    evaluation = judged(generated(photos=50, per_photo=4, skill=1.0))
    values = [each.map for each in evaluation.held_out.by_overlap]
    assert values == sorted(values, key=lambda value: -(value or 0))
    assert [each.overlap for each in evaluation.held_out.by_overlap][:3] == [0.3, 0.5, 0.55]


def test_the_overlap_decides_what_is_right(judged: Judge) -> None:
    predictions = generated(photos=50, per_photo=4, skill=1.0)
    loose, strict = (judged(predictions, overlap=overlap) for overlap in (0.3, 0.8))
    assert loose.held_out.overall.correct > strict.held_out.overall.correct
    assert loose.held_out.overall.map50 == strict.held_out.overall.map50
    assert loose.held_out.overall.ap == loose.held_out.overall.map30


def test_the_order_of_photos_has_no_say(judged: Judge) -> None:
    predictions = generated(photos=30, test=6)
    turned = predictions.where(np.random.default_rng(0).permutation(36))
    assert judged(predictions) == judged(turned)


def test_the_test_set_is_judged_apart(judged: Judge) -> None:
    evaluation = judged(generated(photos=30, test=12))
    assert evaluation.held_out.overall.images == 30
    assert evaluation.test is not None
    assert evaluation.test.overall.images == 12
    assert evaluation.folds == 3
    assert 0.5 < evaluation.learned_share < 0.8


def test_a_tag_that_only_the_test_set_has(judged: Judge) -> None:
    truth: list[Written] = [[BOX], [BOX], [(1, *BOX[1:])]]
    found: list[Written] = [[(*BOX, 0.9)], [(*BOX, 0.8)], [(1, *BOX[1:], 0.7)]]
    evaluation = judged(written(truth, found, tags=TAGS[:2], fold=[0, 1, TEST_FOLD]))
    assert evaluation.held_out.tags[1].ap50.value is None
    assert evaluation.held_out.overall.map50.value == 1
    assert evaluation.test is not None
    assert evaluation.test.tags[1].ap50.value == 1
    assert evaluation.test.tags[0].recall.value is None
    assert evaluation.thresholds[1].threshold == 0.5


def test_nothing_is_found(judged: Judge) -> None:
    evaluation = judged(written([[BOX], [FAR]], [[], []]))
    overall = evaluation.held_out.overall
    assert (overall.recall.value, overall.map50.value, overall.map.value) == (0, 0, 0)
    assert overall.precision.value is None
    assert overall.faults["missed"] == 2
    assert evaluation.held_out.calibration is None
    assert evaluation.common_threshold.threshold == 0.5
    assert [mistake.loss for mistake in evaluation.held_out.mistakes] == [1, 1]


def test_no_photo_has_a_box(judged: Judge) -> None:
    evaluation = judged(written([[], []], [[(*BOX, 0.9)], []]))
    overall = evaluation.held_out.overall
    assert (overall.boxes, overall.empty, overall.correct_images) == (0, 2, 1)
    assert overall.map50.value is None
    assert overall.recall.value is None
    assert overall.precision.value == 0
    assert evaluation.common_threshold.f1 is None


def test_one_photo(judged: Judge) -> None:
    evaluation = judged(written([[BOX]], [[(*BOX, 0.9)]], fold=[0]))
    estimate = evaluation.held_out.overall.map50
    assert estimate.value == 1
    assert estimate.low is not None
    assert estimate.low < 0.5


def test_all_boxes_alike_have_no_narrow_interval(judged: Judge) -> None:
    truth: list[Written] = [[BOX]] * 6
    evaluation = judged(written(truth, [[(*BOX, 0.9)]] * 6, fold=[0, 1, 2] * 2))
    estimate = evaluation.held_out.overall.map50
    assert (estimate.value, estimate.high) == (1, 1)
    assert estimate.low is not None
    assert estimate.low < 0.6


def test_300_boxes_in_one_photo(judged: Judge) -> None:
    draw = np.random.default_rng(0)
    boxes = [(int(draw.integers(3)), *draw.uniform(0, 0.9, 2), 0.08, 0.08) for _ in range(300)]
    found = [(*box, 0.3 + 0.6 * draw.random()) for box in boxes]
    evaluation = judged(written([boxes, boxes], [found, found]))
    assert evaluation.held_out.overall.boxes == 600
    assert evaluation.held_out.overall.map50.value == 1


def test_boxes_of_a_photo_count_as_fewer() -> None:
    assert independent_boxes(np.ones(20)) == 20
    assert independent_boxes(np.full(10, 9.0)) == pytest.approx(90 / 5)
    assert independent_boxes(np.zeros(3)) == 0


def test_worst_photos_come_first(judged: Judge) -> None:
    truth: list[Written] = [[BOX, FAR], [BOX], [BOX]]
    found: list[Written] = [[], [(*BOX, 0.9)], [(*BOX, 0.9), (2, 0.6, 0.1, 0.2, 0.2, 0.7)]]
    mistakes = judged(written(truth, found)).held_out.mistakes
    assert [(mistake.image[-1], mistake.boxes, mistake.correct) for mistake in mistakes] == [
        ("0", 2, 0),
        ("2", 1, 1),
    ]
    assert [mistake.loss for mistake in mistakes] == [2, pytest.approx(0.7)]
    assert mistakes[1].faults[0].fault == "nothing_there"


def test_a_missed_box_of_which_it_was_nearly_sure_is_less_bad(judged: Judge) -> None:
    evaluation = judged(written([[BOX], [BOX]], [[(*BOX, 0.45)], []]))
    assert [mistake.loss for mistake in evaluation.held_out.mistakes] == [1, pytest.approx(0.55)]


def test_recommended_thresholds_follow_the_scores(judged: Judge) -> None:
    draw = np.random.default_rng(0)
    truth: list[Written] = [[BOX]] * 40
    found = [
        [(*BOX, 0.2 + 0.1 * draw.random()), *[(0, 0.7, 0.7, 0.1, 0.1, 0.1 * draw.random())] * 3]
        for _ in range(40)
    ]
    evaluation = judged(written(truth, found, tags=("fork",)))
    assert 0.1 <= evaluation.thresholds[0].threshold <= 0.25
    assert evaluation.common_threshold.threshold == evaluation.thresholds[0].threshold
    assert evaluation.thresholds[0].f1 == 1
    assert evaluation.held_out.overall.recall.value == 0


def test_calibration_is_of_boxes_that_somebody_looks_at(judged: Judge) -> None:
    evaluation = judged(generated(photos=80, per_photo=3, clutter=60))
    calibration = evaluation.held_out.calibration
    assert calibration is not None
    assert min(each.confidence for each in calibration.after.bins) >= 0.1
    assert 0 <= calibration.after.ece <= 1


def test_is_read_as_it_was_written(judged: Judge, tmp_path: Path) -> None:
    evaluation = judged(generated(photos=20, test=5))
    path = tmp_path / "evaluation.json"
    save_box_evaluation(path, evaluation)
    assert load_saved(path) == evaluation
    assert load_saved(path) == evaluation


def test_another_evaluation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text('{"classification": "detection"}', encoding="utf-8")
    with pytest.raises(EvaluationError, match="Run `dvc repro evaluate` again"):
        load_saved(path)


def spoilt(**changes: object) -> BoxPredictions:
    good = written([[BOX], [BOX]], [[(*BOX, 0.9)], []])
    return replace(good, **changes)  # type: ignore[arg-type]


def found(place: list[float], tag: int = 0, score: float = 0.5) -> tuple[Boxes, Boxes]:
    box = Boxes(np.array([tag], np.int32), np.array([place], np.float32), np.array([score], np.float32))
    return box, box.where(np.zeros(0, np.intp))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tags": ()}, "at least one and none twice"),
        ({"tags": ("a", "a")}, "at least one and none twice"),
        ({"fold": np.full(2, TEST_FOLD, np.int32)}, "none for held-out photos"),
        ({"ids": ("a", "a")}, "a photo appears twice"),
        ({"found": ()}, "found has 0 rows, expected 2"),
        ({"found": found([0.1, 0.1, float("nan"), 0.2])}, "numbers and no negative size"),
        ({"found": found([0.1, 0.1, -0.1, 0.2])}, "numbers and no negative size"),
        ({"found": found([0.1, 0.1, 0.1, 0.2], tag=3)}, "tags numbered 3 to 3, expected 0 to 2"),
        ({"found": found([0.1, 0.1, 0.1, 0.2], score=float("nan"))}, "the score nan, expected 0 to 1"),
        ({"found": found([0.1, 0.1, 0.1, 0.2], score=1.5)}, "the score 1.5, expected 0 to 1"),
        ({"uncalibrated": (np.zeros(2, np.float32),) * 2}, "2 scores, expected 1, one per box"),
        ({"truth": found([float("inf"), 0.1, 0.1, 0.2])}, "numbers and no negative size"),
    ],
)
def test_what_no_detector_can_say_is_refused(
    changes: dict[str, object], said: str, params: EvaluateParams
) -> None:
    with pytest.raises(EvaluationError, match="dvc repro train") as caught:
        evaluate_detector(spoilt(**changes), params, seed=0)
    assert said in str(caught.value)
