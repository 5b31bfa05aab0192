"""Found boxes in, a `BoxEvaluation` out, and `reports/evaluation.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dahlia.boxes import Boxes
from dahlia.dataset.records import ImageRecord
from dahlia.errors import EvaluationError
from dahlia.evaluation.detection.faults import confusion, sort_boxes, worst
from dahlia.evaluation.detection.figures import BoxEvaluation, BoxSetFigures
from dahlia.evaluation.detection.labels import SEPARATE, find_label_issues
from dahlia.evaluation.detection.learning import box_learning
from dahlia.evaluation.detection.matching import matched, tabulated
from dahlia.evaluation.detection.measures import Matches, curves, matches, measure
from dahlia.evaluation.detection.reliability import box_calibration
from dahlia.evaluation.detection.thresholds import recommend_all
from dahlia.evaluation.intervals import independent_share, learned_share
from dahlia.evaluation.metrics import Rules
from dahlia.evaluation.resampling import Weights, draw_weights
from dahlia.files import write_text
from dahlia.modeling.box_predictions import BoxPredictions
from dahlia.params import EvaluateParams

REMEDY = "Run `dvc repro train` to make models/predictions.parquet again."


def evaluate_detector(
    predictions: BoxPredictions,
    params: EvaluateParams,
    *,
    seed: int,
    records: Sequence[ImageRecord] = (),
    curve: Sequence[tuple[float, float]] = (),
) -> BoxEvaluation:
    """Judge held-out boxes, and those of the user's own test set apart.

    The figures do not depend on the order of the photos.

    Args:
        predictions: at least one held-out photo; see `BoxPredictions`.
        params: threshold, overlap, confidence and the like.
        seed: of the bootstrap.
        records: the manifest, for the paths of photos.
        curve: see `dahlia.evaluation.detection.learning.box_learning`.

    Raises:
        EvaluationError: there is no held-out photo, or a value that no prediction can have.
    """
    check(predictions)
    predictions = predictions.by_id()
    held_out, test = predictions.held_out, predictions.test
    folds = len(np.unique(held_out.fold))
    weights = draw_weights(params.bootstrap_samples, len(held_out.ids), seed)
    learned = learned_share(_has_tags(held_out), held_out.fold)
    rules = Rules(params.threshold, params.confidence, independent_share(folds), weights, learned)
    paths = {record.id: record.path for record in records}
    found = matches(tabulated(held_out), params.overlap)
    thresholds, common = recommend_all(found.table, found.right, held_out.fold, params.threshold, weights)
    return BoxEvaluation(
        classification="detection",
        tags=predictions.tags,
        threshold=params.threshold,
        overlap=params.overlap,
        confidence=params.confidence,
        folds=folds,
        learned_share=learned,
        held_out=_judge(found, held_out.ids, params, rules, paths),
        test=_judge_test(test, params, seed, paths) if test.ids else None,
        thresholds=thresholds,
        common_threshold=common,
        label_issues=find_label_issues(found.table, matched(found.table, SEPARATE), held_out.ids, paths),
        learning=box_learning(curve),
    )


def save_box_evaluation(path: Path, evaluation: BoxEvaluation) -> None:
    """Write the evaluation as JSON; the same evaluation gives the same bytes."""
    write_text(path, evaluation.model_dump_json(indent=1) + "\n")


def check(predictions: BoxPredictions) -> None:
    """Refuse predictions that cannot be judged.

    Raises:
        EvaluationError: says what is wrong and how to fix it.
    """
    problem = _shape_problem(predictions) or _value_problem(predictions)
    if problem:
        raise EvaluationError(f"These boxes cannot be evaluated: {problem}. {REMEDY}")


def _shape_problem(predictions: BoxPredictions) -> str | None:
    if not predictions.tags or len(set(predictions.tags)) != len(predictions.tags):
        return f"the tags are {list(predictions.tags)}, expected at least one and none twice"
    for name in ("fold", "truth", "found", "uncalibrated"):
        rows = len(getattr(predictions, name))
        if rows != len(predictions.ids):
            return f"{name} has {rows} rows, expected {len(predictions.ids)}, one per photo"
    if not len(predictions.held_out.ids):
        return "there are none for held-out photos, expected at least one"
    if len(set(predictions.ids)) != len(predictions.ids):
        return "a photo appears twice, expected one row per photo"
    return None


def _value_problem(predictions: BoxPredictions) -> str | None:
    for row, image in enumerate(predictions.ids):
        found, raw = predictions.found[row], predictions.uncalibrated[row]
        problem = (
            _boxes_problem(predictions.truth[row], len(predictions.tags))
            or _boxes_problem(found, len(predictions.tags))
            or _scores_problem(raw, len(found))
        )
        if problem:
            return f"photo {image} has {problem}"
    return None


def _boxes_problem(boxes: Boxes, tags: int) -> str | None:
    if boxes.places.shape != (len(boxes.tags), 4):
        return f"places of the shape {boxes.places.shape}, expected ({len(boxes.tags)}, 4)"
    bad = ~(np.isfinite(boxes.places).all(axis=1) & (boxes.places[:, 2:] >= 0).all(axis=1))
    if bad.any():
        given = boxes.places[int(np.argmax(bad))].tolist()
        return f"a box at {given}, expected left, top, width, height, numbers and no negative size"
    if len(boxes) and not (boxes.tags.min() >= 0 and boxes.tags.max() < tags):
        return f"tags numbered {boxes.tags.min()} to {boxes.tags.max()}, expected 0 to {tags - 1}"
    return _scores_problem(boxes.scores, len(boxes))


def _scores_problem(scores: npt.NDArray[np.float32], expected: int) -> str | None:
    if scores.shape != (expected,):
        return f"{len(scores)} scores, expected {expected}, one per box"
    bad = ~((scores >= 0) & (scores <= 1))
    if bad.any():
        return f"the score {float(scores[int(np.argmax(bad))])}, expected 0 to 1"
    return None


def _has_tags(predictions: BoxPredictions) -> npt.NDArray[np.bool_]:
    truth = np.zeros((len(predictions.ids), len(predictions.tags)), bool)
    for row, boxes in enumerate(predictions.truth):
        truth[row, boxes.tags] = True
    return truth


def _judge(
    found: Matches, ids: tuple[str, ...], params: EvaluateParams, rules: Rules, paths: Mapping[str, str]
) -> BoxSetFigures:
    partners = found.partners[found.overlap]
    sorted_boxes = sort_boxes(found.table, partners, params.threshold, found.overlap)
    overall, tags, by_overlap = measure(found, sorted_boxes, rules)
    return BoxSetFigures(
        overall=overall,
        tags=tags,
        confusion=confusion(sorted_boxes),
        calibration=box_calibration(
            found.table,
            found.right,
            bins=params.calibration_bins,
            confidence=params.confidence,
            share=rules.share,
        ),
        curves=curves(found),
        by_overlap=by_overlap,
        mistakes=worst(sorted_boxes, ids, params.worst_images, paths),
    )


def _judge_test(
    test: BoxPredictions, params: EvaluateParams, seed: int, paths: Mapping[str, str]
) -> BoxSetFigures:
    weights: Weights = draw_weights(params.bootstrap_samples, len(test.ids), seed)
    rules = Rules(params.threshold, params.confidence, independent_share(0), weights)
    return _judge(matches(tabulated(test), params.overlap), test.ids, params, rules, paths)
