"""Predictions in, an `Evaluation` out, and `reports/evaluation.json`.

What was taken for what, which images went most wrong, and whose tags are likely wrong is found here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dahlia.dataset.records import ImageRecord
from dahlia.errors import EvaluationError
from dahlia.evaluation.calibration import calibration, tag_losses
from dahlia.evaluation.figures import Confusion, Evaluation, LabelIssue, Mistake, SetFigures, TakenForNone
from dahlia.evaluation.intervals import independent_share, learned_share
from dahlia.evaluation.judges import JUDGES
from dahlia.evaluation.learning import check_fits, learning
from dahlia.evaluation.metrics import Rules, curves, measure, right
from dahlia.evaluation.new_scenes import new_scenes
from dahlia.evaluation.resampling import draw_weights, recommend
from dahlia.files import load_json, write_text
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.modeling.predictions import HALF, ClassPredictions, LearningCurve
from dahlia.params import EvaluateParams

REMEDY = "Run `dvc repro train` to make models/predictions.parquet again."


def evaluate(
    predictions: ClassPredictions,
    params: EvaluateParams,
    *,
    seed: int,
    negative_tag: str | None,
    records: Sequence[ImageRecord] = (),
    curve: LearningCurve | None = None,
) -> Evaluation:
    """Judge held-out predictions, and the user's own test set apart.

    The figures do not depend on the order of the rows.

    Args:
        predictions: at least one held-out image; see `ClassPredictions`.
        params: threshold, confidence and the like.
        seed: of the bootstrap.
        negative_tag: the tag to mark as negative.
        records: the manifest, for the paths of images.
        curve: what fewer images would have given, from the same training.

    Raises:
        EvaluationError: there is no held-out image, a value that no prediction can have, or a curve of
            another training.
    """
    check(predictions)
    predictions = predictions.by_id()
    held_out, test = predictions.held_out, predictions.test
    if curve is not None:
        check_fits(curve, held_out)
    folds = len(np.unique(held_out.fold))
    weights = draw_weights(params.bootstrap_samples, len(held_out.ids), seed)
    learned = learned_share(held_out.truth, held_out.fold)
    rules = Rules(params.threshold, params.confidence, independent_share(folds), weights, learned)
    paths = {record.id: record.path for record in records}
    return Evaluation.model_validate(
        {
            "classification": predictions.kind,
            "tags": predictions.tags,
            "negative_tag": negative_tag if negative_tag in predictions.tags else None,
            "threshold": params.threshold,
            "confidence": params.confidence,
            "folds": folds,
            "learned_share": learned,
            "held_out": _judge(held_out, params, rules, negative_tag, paths),
            "test": _judge_test(test, params, seed, negative_tag, paths) if test.ids else None,
            "thresholds": recommend(held_out, params.threshold, weights),
            "label_issues": find_label_issues(held_out, paths),
            "learning": learning(curve, params.confidence) if curve is not None else None,
            "new_scenes": new_scenes(held_out, params, seed),
            "taken_for_none": taken_for_none(held_out, paths) if held_out.gated else None,
        }
    )


def save_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write the evaluation as JSON; the same evaluation gives the same bytes."""
    write_text(path, evaluation.model_dump_json(indent=1) + "\n")


def load_evaluation(path: Path) -> Evaluation:
    """Read what `save_evaluation` wrote.

    Raises:
        EvaluationError: the file is missing, or was written by another version.
    """
    return load_json(path, Evaluation, what="an evaluation", stage="evaluate", error=EvaluationError)


def check(predictions: ClassPredictions) -> None:
    """Refuse predictions that cannot be judged.

    Raises:
        EvaluationError: says what is wrong and how to fix it.
    """
    problem = _shape_problem(predictions) or _value_problem(predictions)
    if problem:
        raise EvaluationError(f"These predictions cannot be evaluated: {problem}. {REMEDY}")


def _shape_problem(predictions: ClassPredictions) -> str | None:
    if predictions.kind not in JUDGES:
        return f"the classification is {predictions.kind!r}, expected {' or '.join(JUDGES)}"
    if not predictions.tags or len(set(predictions.tags)) != len(predictions.tags):
        return f"the tags are {list(predictions.tags)}, expected at least one and none twice"
    if not len(predictions.held_out.ids):
        return "there are none for held-out images, expected at least one"
    if len(set(predictions.ids)) != len(predictions.ids):
        return "an image appears twice, expected one row per image"
    expected = (len(predictions.ids), len(predictions.tags))
    tables = {name: getattr(predictions, name) for name in ("truth", "probabilities", "uncalibrated")}
    if predictions.new_scenes is not None:
        tables["new_scene"] = predictions.new_scenes.probabilities
    for name, table in tables.items():
        if table.shape != expected:
            return f"{name} has the shape {table.shape}, expected {expected} (images x tags)"
    return None


def _value_problem(predictions: ClassPredictions) -> str | None:
    for name in ("probabilities", "uncalibrated"):
        values = getattr(predictions, name)
        bad = ~((values >= 0) & (values <= 1)).all(axis=1)
        if bad.any():
            row = int(np.argmax(bad))
            return f"{name} of image {predictions.ids[row]} are {values[row].tolist()}, expected 0 to 1"
    if predictions.new_scenes is not None:
        values = predictions.new_scenes.probabilities[predictions.new_scenes.judged]
        if not ((values >= 0) & (values <= 1)).all():
            return "new_scene holds numbers that are not between 0 and 1"
    return JUDGES[predictions.kind].problem(predictions)


def _judge(
    predictions: ClassPredictions,
    params: EvaluateParams,
    rules: Rules,
    negative_tag: str | None,
    paths: Mapping[str, str],
) -> SetFigures:
    overall, tags = measure(predictions, rules, negative_tag)
    return SetFigures(
        overall=overall,
        tags=tags,
        confusion=confusion(predictions, params.threshold),
        calibration=calibration(
            predictions, bins=params.calibration_bins, confidence=params.confidence, share=rules.share
        ),
        curves=curves(predictions),
        mistakes=worst(predictions, params.threshold, params.worst_images, paths),
    )


def _judge_test(
    test: ClassPredictions,
    params: EvaluateParams,
    seed: int,
    negative_tag: str | None,
    paths: Mapping[str, str],
) -> SetFigures:
    weights = draw_weights(params.bootstrap_samples, len(test.ids), seed)
    rules = Rules(params.threshold, params.confidence, independent_share(0), weights)
    return _judge(test, params, rules, negative_tag, paths)


def confusion(predictions: ClassPredictions, threshold: float) -> Confusion:
    """Counts of images; see `dahlia.evaluation.figures.Confusion` for their layout."""
    table = JUDGES[predictions.kind].confusion(predictions, threshold)
    return Confusion(counts=tuple(tuple(int(count) for count in row) for row in table))


def worst(
    predictions: ClassPredictions, threshold: float, most: int, paths: Mapping[str, str]
) -> tuple[Mistake, ...]:
    """The images with the highest loss, confident and wrong first; ties in the order of ids.

    Only images that were judged wrong, or (multiclass) right with a probability below the threshold.

    Args:
        predictions: N images.
        threshold: a prediction counts when its probability reaches it.
        most: at most so many.
        paths: image id to path.
    """
    judge, tags = JUDGES[predictions.kind], np.array(predictions.tags)
    losses = tag_losses(predictions.truth, predictions.probabilities)
    total = judge.losses(predictions, losses)
    shown = ~right(predictions, threshold) | judge.unsure(predictions, threshold)
    rows = sorted(np.flatnonzero(shown), key=lambda row: (-total[row], predictions.ids[row]))[:most]

    def mistake(row: int) -> Mistake:
        chances, truth = predictions.probabilities[row], predictions.truth[row]
        tag, predicted = judge.mistaken(chances, truth, losses[row], threshold)
        return Mistake(
            image=predictions.ids[row],
            path=paths.get(predictions.ids[row]),
            truth=tuple(tags[truth].tolist()),
            predicted=tuple(tags[predicted].tolist()),
            tag=predictions.tags[tag],
            probability=float(chances[tag]),
            true_probability=judge.true_probability(chances, truth, tag),
            loss=float(total[row]),
        )

    return tuple(mistake(int(row)) for row in rows)


def find_label_issues(predictions: ClassPredictions, paths: Mapping[str, str]) -> tuple[LabelIssue, ...]:
    """The images whose tags are likely wrong, most likely first.

    A tag that fewer than `dahlia.evaluation.judges.FEWEST_PER_STATE` images have (or, multilabel, lack) is
    left out: nothing can be learned of it.

    Args:
        predictions: N held-out images.
        paths: image id to path.
    """
    found = JUDGES[predictions.kind].label_issues(predictions)
    return tuple(
        LabelIssue(
            image=predictions.ids[row],
            path=paths.get(predictions.ids[row]),
            given=_names(predictions, predictions.truth[row]),
            suggested=_names(predictions, suggested),
            score=score,
        )
        for score, row, suggested in sorted(found, key=lambda issue: issue[:2])
    )


def taken_for_none(predictions: ClassPredictions, paths: Mapping[str, str]) -> tuple[TakenForNone, ...]:
    """The images with a tag of which the model more likely says that none applies, surest first.

    Args:
        predictions: N held-out images, of models with a gate.
        paths: image id to path.
    """
    chances = LIKELIHOODS[predictions.kind].none(predictions.probabilities)
    found = np.flatnonzero((chances > HALF) & predictions.truth.any(axis=1))
    return tuple(
        TakenForNone(
            image=predictions.ids[row],
            path=paths.get(predictions.ids[row]),
            truth=_names(predictions, predictions.truth[row]),
            probability=float(chances[row]),
        )
        for row in sorted(found, key=lambda row: (-chances[row], predictions.ids[row]))
    )


def _names(predictions: ClassPredictions, chosen: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(tag for tag, keep in zip(predictions.tags, chosen, strict=True) if keep)
