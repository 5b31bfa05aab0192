"""What the model says of photos whose scene it has not seen.

For each fold of scenes a head is fitted on the others, as the delivered one was fitted on all: with its views
and its strength of regularisation. Choosing a strength on folds of scenes would often give another one, so
the figure would be that of a model that is not delivered; it would also be nine times the work. The delivered
strength was chosen on all photos, but it is one of a few, so this flatters little. What calibrates a fold is
fitted on what was held out of the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from dahlia.dataset.records import ImageRecord
from dahlia.kinds import Kind
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.modeling.scaling import calibrate
from dahlia.modeling.scene_predictions import ScenePredictions
from dahlia.training.gate import GateProblem
from dahlia.training.heads import HeadProblems, fit_heads, principal_axes
from dahlia.training.quick import PRIOR_IMAGES, QuickResult
from dahlia.training.scene_folds import SceneFolds, scene_folds
from dahlia.training.scenes import find_scenes

_LEAST_PHOTOS = 30  # below, what is alike by chance and what is of one scene cannot be told apart
Features = npt.NDArray[np.float32]
Logits = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def predict_new_scenes(
    views: Sequence[Features],
    truth: Mask,
    folds: npt.NDArray[np.int32],
    quick: QuickResult,
    *,
    records: Sequence[ImageRecord],
    kind: Kind,
    max_iterations: int,
    seed: int,
    gates: GateProblem | None = None,
) -> ScenePredictions:
    """Find the scenes, and predict each photo by a head that saw no photo of its scene.

    Args:
        views: V arrays (N, D), the plain view first, as `train_quick` got them.
        truth: (N, K) bool.
        folds: (N,) those of photos like these.
        quick: what `train_quick` found on them.
        records: N photos; `group` names their scenes where the user has named them.
        kind: of the model.
        max_iterations: of the solver.
        seed: decides where chance does.
        gates: gives a gate per fold of scenes, which the model has too.

    Raises:
        TrainingError: a loss is not finite.
    """
    named = [record.group for record in records]
    principal = quick.principal or principal_axes(torch.from_numpy(np.concatenate(views)))
    scenes = find_scenes(views[0], truth, principal, named)
    few = len(records) < _LEAST_PHOTOS and not any(named)
    divided = None if few else scene_folds(records, truth, scenes, folds, seed)
    probabilities = np.full(truth.shape, np.nan)
    if divided is not None and len(np.unique(scenes)) == len(scenes):
        probabilities = quick.probabilities.copy()
    elif divided is not None:
        logits = _logits(views, truth, divided.folds, quick, kind, max_iterations)
        probabilities = _calibrated(logits, truth, divided, kind)
        if gates is not None:
            probabilities *= gates.held_out(divided.folds, views[0])[:, None]
    return ScenePredictions(
        scene=scenes.astype(np.int32),
        probabilities=probabilities,
        named=any(name is not None for name in named),
    )


def _logits(
    views: Sequence[Features],
    truth: Mask,
    folds: npt.NDArray[np.int32],
    quick: QuickResult,
    kind: Kind,
    max_iterations: int,
) -> Logits:
    """(N, K), each row by the head that left its fold out."""
    parts = np.unique(folds)
    targets = np.tile(LIKELIHOODS[kind].shares(truth), (len(views), 1)).astype(np.float32)
    (heads,) = fit_heads(
        HeadProblems(
            torch.from_numpy(np.concatenate(views)),
            torch.from_numpy(targets),
            torch.from_numpy(np.stack([np.tile(folds != part, len(views)) for part in parts])),
            kind,
        ),
        [quick.strength],
        max_iterations=max_iterations,
        principal=quick.principal,
    )
    plain, logits = torch.from_numpy(views[0]), np.zeros(truth.shape)
    for number, part in enumerate(parts):
        rows = folds == part
        logits[rows] = heads.logits(plain[torch.from_numpy(rows)], number).double().numpy()
    return logits


def _calibrated(logits: Logits, truth: Mask, divided: SceneFolds, kind: Kind) -> Logits:
    """(N, K) probabilities; those of photos that are not judged are no numbers."""
    probabilities = np.full(truth.shape, np.nan)
    for part in np.unique(divided.folds[divided.judged]):
        rows, others = divided.judged & (divided.folds == part), divided.judged & (divided.folds != part)
        scaling = calibrate(logits[others], truth[others], kind, prior_images=PRIOR_IMAGES)
        probabilities[rows] = LIKELIHOODS[kind].probabilities(scaling.of(logits[rows]))
    return probabilities
