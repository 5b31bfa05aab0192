"""How often photos of scenes that are new to the model are right, and what to say of it.

Photos of a scene stand or fall together, so the bootstrap draws scenes: the interval is as wide as their
number makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.figures import Estimate, NewScenes, SceneTag
from dahlia.evaluation.intervals import independent_share, resampled
from dahlia.evaluation.metrics import right
from dahlia.evaluation.resampling import draw_weights
from dahlia.evaluation.summary import rate_range
from dahlia.modeling.predictions import ClassPredictions
from dahlia.modeling.scene_predictions import ScenePredictions
from dahlia.params import EvaluateParams

WHICH = (
    "Expect the first for more photos like these, the second where a place, a day or a thing is new to the "
    "model."
)
ALONE = (
    "No photos of a tag share a scene as far as can be seen, so the same is expected of photos of new scenes."
)
OTHERS = (
    "Other cameras or seasons are not covered: put such photos into data/images/test/, and they are judged "
    "apart."
)


def new_scenes(held_out: ClassPredictions, params: EvaluateParams, seed: int) -> NewScenes | None:
    """The figure, its interval, and what it rests on; None where training looked for no scenes.

    Args:
        held_out: N images that are not of the user's own test set.
        params: threshold, confidence and the like.
        seed: of the bootstrap.
    """
    found = held_out.new_scenes
    if found is None:
        return None
    judged = held_out.where(found.judged)
    correct = _right(judged, params.threshold)
    sizes = np.bincount(found.scene)[found.scene]
    tags = tuple(_tag(held_out, found, column) for column in range(len(held_out.tags)))
    accuracy = _accuracy(correct, found.scene[found.judged], held_out, params, seed)
    shared = int((sizes > 1).sum())
    return NewScenes(
        accuracy=accuracy,
        correct=int(correct.sum()),
        images=len(correct),
        scenes=len(np.unique(found.scene[found.judged])),
        shared=shared,
        named=found.named,
        tags=tags,
        sentences=_sentences(accuracy, shared, tags),
    )


def _right(judged: ClassPredictions, threshold: float) -> npt.NDArray[np.bool_]:
    assert judged.new_scenes is not None
    return right(replace(judged, probabilities=judged.new_scenes.probabilities), threshold)


def _accuracy(
    correct: npt.NDArray[np.bool_],
    scenes: npt.NDArray[np.int32],
    held_out: ClassPredictions,
    params: EvaluateParams,
    seed: int,
) -> Estimate:
    if not len(correct):
        return Estimate(value=None, low=None, high=None, images=0)
    numbers = np.unique(scenes, return_inverse=True)[1]
    count = int(numbers.max()) + 1
    of_scene = np.bincount(numbers, correct, count), np.bincount(numbers, minlength=count)
    weights = draw_weights(params.bootstrap_samples, count, seed)
    draws = (weights @ of_scene[0]) / (weights @ of_scene[1])
    value = float(correct.mean())
    share = independent_share(len(np.unique(held_out.fold)))
    # Where all are right or all are wrong, no draw varies; then scenes are the trials.
    trials = count if value in (0.0, 1.0) else len(correct)
    return resampled(value, draws, len(correct), params.confidence, share, trials)


def _tag(held_out: ClassPredictions, found: ScenePredictions, column: int) -> SceneTag:
    rows = held_out.truth[:, column]
    return SceneTag(
        tag=held_out.tags[column],
        images=int(rows.sum()),
        scenes=len(np.unique(found.scene[rows])),
        judged=bool(found.judged[rows].any()),
    )


def _sentences(accuracy: Estimate, shared: int, tags: Sequence[SceneTag]) -> tuple[str, ...]:
    """The verdict first, then which figure to expect when, and what neither covers."""
    lone = [f"“{tag.tag}”" for tag in tags if tag.images and tag.scenes < 2]
    if accuracy.value is None:
        why = f"all photos of {_listed(lone)} are of one scene" if lone else "there are too few photos"
        return f"How photos of new scenes come out cannot be told: {why}. Take some elsewhere.", OTHERS
    if not shared:
        return ALONE, OTHERS
    verdict = f"Photos of new scenes: the true rate is likely between {rate_range(accuracy)}."
    left_out = f"Photos of {_listed(lone)} are not counted there: all are of one scene." if lone else ""
    return tuple(sentence for sentence in (verdict, WHICH, left_out, OTHERS) if sentence)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
