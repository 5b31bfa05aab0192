"""From a table of images to a trained model, by the recipe that the parameters name.

What training learns from is gathered here: the usable images, their tags and their folds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch

from dahlia import layout
from dahlia.dataset.fold_numbers import FEWEST, merged
from dahlia.dataset.manifest import TEST_FOLD
from dahlia.dataset.records import ImageRecord
from dahlia.dataset.tag_rules import EXPECTED_TAGS, TAG_RULES, too_few_tags
from dahlia.errors import TrainingError
from dahlia.kinds import Kind
from dahlia.modeling.backbones import Backbone, load_backbone
from dahlia.modeling.card import NegativesCard
from dahlia.modeling.classifier import Classifier, set_gate, set_head
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.modeling.predictions import ClassPredictions, LearningCurve
from dahlia.modeling.pretrained import require_size
from dahlia.modeling.scene_predictions import ScenePredictions
from dahlia.params import Params
from dahlia.training.feature_cache import FeatureCache
from dahlia.training.features import extract_features, extraction_precision
from dahlia.training.fine_tuning.tuner import predict_logits
from dahlia.training.fine_tuning.tuning_data import PhotoMemory, TuningData
from dahlia.training.learning_curve import measure_learning_curve
from dahlia.training.negatives import behind, find_negatives, fit_gates, negatives_card
from dahlia.training.new_scenes import predict_new_scenes
from dahlia.training.quick import QuickResult, train_quick

if TYPE_CHECKING:
    from dahlia.training.advanced import AdvancedResult


Features = npt.NDArray[np.float32]
Logits = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trained:
    """The model and what is known about it.

    Attributes:
        model: on all training images, in evaluation mode.
        recipe: the recipe that it came from.
        predictions: held-out, and of the user's own test set by the final model.
        temperature: of the final model.
        strength: regularisation of the final head.
        views: what the heads were fitted on.
        history: rows of numbers in the order in which they were measured, for curves.
        curve: what quick heads from fewer photos would have given, whichever recipe won.
        negatives: what its gate was fitted with; None where it has no gate.
    """

    model: Classifier
    recipe: str
    predictions: ClassPredictions
    temperature: float
    strength: float
    views: tuple[str, ...]
    history: list[dict[str, float]]
    curve: LearningCurve
    negatives: NegativesCard | None = None


def train(data: TrainingData, params: Params, root: Path) -> Trained:
    """Train by `params.training.recipe`.

    Raises:
        WeightsError: the backbone or its weights are not available, or photos are too small for it.
        TrainingError: an image or a number on the way cannot be used.
    """
    pl.seed_everything(params.project.seed, verbose=False)
    # Subnormal weights in the tails of the solver cost tenfold time and change no figure.
    torch.set_flush_denormal(True)
    domain = params.domain
    require_size(domain.backbone.architecture, domain.input.size)
    backbone = load_backbone(domain.backbone.architecture, domain.backbone.weights, domain.input.smoothing)
    print(f"train: {backbone.architecture} with weights: {backbone.origin}", flush=True)
    features = _features(data, params, root, backbone)
    views = tuple(features)
    learned = data.training
    seen = [features["plain"][learned], *(features[view] for view in views[1:])]
    photos = seen, data.truth[learned], data.folds[learned]
    heads = partial(
        train_quick,
        kind=params.kind,
        strengths=params.training.regularisation,
        max_iterations=params.training.max_iterations,
    )
    quick = heads(*photos)
    negatives = find_negatives(params, backbone)
    gated = fit_gates(*photos, negatives) if negatives else None
    as_delivered = gated.of(quick) if gated else quick
    curve = measure_learning_curve(
        *photos,
        as_delivered,
        tags=data.tags,
        kind=params.kind,
        max_iterations=params.training.max_iterations,
        seed=params.project.seed,
        gate=gated.held_out if gated else None,
    )
    scenes = predict_new_scenes(
        *photos,
        as_delivered,
        records=data.where(learned),
        kind=params.kind,
        max_iterations=params.training.max_iterations,
        seed=params.project.seed,
        gates=gated.problem if gated else None,
    )
    model = Classifier(backbone, len(data.tags), params.kind)
    set_head(model, quick.weight, quick.bias, quick.temperature)
    model.eval()
    logits = (
        features["plain"].astype(np.float64) @ quick.weight.double().numpy() + quick.bias.double().numpy()
    )
    history = [{"strength": strength, "held_out_loss": loss} for strength, loss in quick.search]
    if params.training.fine_tuning is not None:
        from dahlia.training.advanced import train_advanced

        # Each fold takes a run of minutes, and both recipes must have learned from as many photos.
        fewer = merged(data.folds[learned])
        tuned = train_advanced(
            model,
            heads(*photos[:2], fewer) if len(np.unique(photos[2])) > FEWEST else quick,
            tuning_data(data, params, root),
            fewer,
            params.training.fine_tuning,
            root / layout.ADVANCED,
            trainer=params.trainer,
            graphs=layout.home(root) / layout.GRAPH_CACHE,
        )
        if tuned is not None:
            own = [(record.id, root / record.path) for record in data.where(~learned)]
            logits[~learned] = predict_logits(tuned.model, own, PhotoMemory(params.domain.input.size))
            predictions = _predictions(data, logits, tuned, scenes, params.kind, fewer)
            if gated:
                click.echo("train: the fine-tuned backbone has other features than the negative set: no gate")
            return Trained(
                tuned.model, "advanced", predictions, tuned.temperature, quick.strength, views, history, curve
            )
    predictions = _predictions(data, logits, quick, scenes, params.kind, data.folds[learned])
    card = None
    if negatives and gated:
        card = negatives_card(negatives)
        set_gate(model, torch.from_numpy(gated.gate.weight), gated.gate.bias)
        opening = gated.gate.probabilities(features["plain"])
        opening[learned] = gated.held_out
        predictions = behind(predictions, opening)
    return Trained(
        model, "quick", predictions, quick.temperature, quick.strength, views, history, curve, card
    )


TRAINERS: dict[Kind, Callable[[TrainingData, Params, Path], Trained]] = {
    "multiclass": train,
    "multilabel": train,
}


def _features(data: TrainingData, params: Params, root: Path, backbone: Backbone) -> dict[str, Features]:
    """The plain view of all images first, then the others of those that heads are fitted on."""
    size = params.domain.input.size
    wanted: dict[str, tuple[ImageRecord, ...]] = {"plain": data.records}
    learned = data.where(data.training)
    wanted |= {view: learned for view in params.domain.recipe.views if view != "plain"}
    return extract_features(
        wanted,
        root=root,
        backbone=backbone,
        size=size,
        cache=FeatureCache(
            layout.home(root) / layout.FEATURE_CACHE,
            backbone.fingerprint,
            size,
            extraction_precision(params.trainer),
        ),
        graphs=layout.home(root) / layout.GRAPH_CACHE,
        batch_size=params.training.batch_size,
        trainer=params.trainer,
    )


def tuning_data(data: TrainingData, params: Params, root: Path) -> TuningData:
    """What fine-tuning learns from: the photos of all folds."""
    records = data.where(data.training)
    return TuningData(
        ids=[record.id for record in records],
        paths=[root / record.path for record in records],
        truth=data.truth[data.training],
        augmentation=params.domain.recipe.augmentation,
        size=params.domain.input.size,
        batch_size=params.training.batch_size,
        seed=params.project.seed,
    )


def _predictions(
    data: TrainingData,
    logits: Logits,
    judged: QuickResult | AdvancedResult,
    scenes: ScenePredictions,
    kind: Kind,
    folds: npt.NDArray[np.int32],
) -> ClassPredictions:
    """Held-out rows as the folds gave them; the others from the final model's `logits`."""
    learned = data.training
    likelihood = LIKELIHOODS[kind]
    calibrated = likelihood.probabilities(logits / judged.temperature)
    uncalibrated = likelihood.probabilities(logits)
    calibrated[learned], uncalibrated[learned] = judged.probabilities, judged.uncalibrated
    held_out = data.folds.copy()
    held_out[learned] = folds
    return ClassPredictions(
        ids=tuple(record.id for record in data.records),
        tags=data.tags,
        kind=kind,
        fold=held_out,
        truth=data.truth,
        probabilities=calibrated,
        uncalibrated=uncalibrated,
        new_scenes=scenes.among(learned),
    )


@dataclass(frozen=True)
class TrainingData:
    """N images with K tags.

    Attributes:
        records: N images, sorted by id.
        tags: K names, sorted without regard to case; the order of the model's outputs.
        truth: (N, K) bool.
        folds: (N,) the fold of each image; -1 for the user's own test set.
    """

    records: tuple[ImageRecord, ...]
    tags: tuple[str, ...]
    truth: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int32]

    @property
    def training(self) -> npt.NDArray[np.bool_]:
        """(N,) true for the images that training may see."""
        return np.not_equal(self.folds, TEST_FOLD)

    def where(self, rows: npt.NDArray[np.bool_]) -> tuple[ImageRecord, ...]:
        """The records for which the mask (N,) holds."""
        return tuple(record for record, keep in zip(self.records, rows, strict=True) if keep)


def gather(
    records: Sequence[ImageRecord],
    folds: Mapping[str, int],
    *,
    kind: Kind,
    negative_tag: str | None,
) -> TrainingData:
    """Put the images that have a fold into one table.

    Raises:
        TrainingError: fewer than two tags, or no image to learn from.
    """
    kept = sorted((record for record in records if record.id in folds), key=lambda record: record.id)
    found = {tag for record in kept if folds[record.id] != TEST_FOLD for tag in record.tags}
    if received := too_few_tags(found):
        raise TrainingError(
            f"Training needs {EXPECTED_TAGS}, received {received}. Add images of another tag, or of the "
            "negative one."
        )
    rules = TAG_RULES[kind]
    learned = rules.learned(found, negative_tag)
    tags = tuple(sorted(learned, key=lambda tag: (tag.casefold(), tag)))
    truth = np.array([[tag in record.tags for tag in tags] for record in kept], bool)
    # A test image of a tag that was never learned cannot be right: it says nothing about this model.
    known = truth.any(1) | np.full(len(kept), not rules.exclusive)
    return TrainingData(
        records=tuple(record for record, keep in zip(kept, known, strict=True) if keep),
        tags=tags,
        truth=truth[known],
        folds=np.array([folds[record.id] for record in kept], np.int32)[known],
    )
