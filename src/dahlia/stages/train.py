"""Train: features, heads, the final model, and predictions of held-out images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dahlia import __version__, layout
from dahlia.dataset.manifest import fingerprint, load_folds, load_manifest
from dahlia.dataset.tag_rules import TAG_RULES
from dahlia.imports import quick_imports
from dahlia.kinds import Kind
from dahlia.modeling.card import (
    InputCard,
    ModelCard,
    TagCard,
    TrainingCard,
    project_id,
    tag_id,
)
from dahlia.modeling.predictions import save_learning_curve, save_predictions
from dahlia.params import Params
from dahlia.provenance import git_revision

if TYPE_CHECKING:
    from dahlia.training.recipes import Trained, TrainingData


def run(params: Params, root: Path) -> None:
    """Train the kind of model that the project has.

    Args:
        params: reads `project`, `domain` and `training`.
        root: the project folder.

    Raises:
        DatasetError: an earlier stage's file is missing.
        TrainingError: the weights are not available, or the images cannot be learned from.
    """
    RUNS[params.kind](params, root)


def _train_detector(params: Params, root: Path) -> None:
    with quick_imports():
        from dahlia.training.detection.recipe import train_detector

    train_detector(params, root)


def _train_classifier(params: Params, root: Path) -> None:
    """Write the bundle, the held-out predictions, the history and the learning curve."""
    with quick_imports():
        from dahlia.modeling.classifier import save_bundle
        from dahlia.modeling.reference import ask_module
        from dahlia.training.history import save_history
        from dahlia.training.recipes import TRAINERS, gather

    data = gather(
        load_manifest(root / layout.MANIFEST),
        load_folds(root / layout.FOLDS),
        kind=params.kind,
        negative_tag=params.project.negative_tag,
    )
    trained = TRAINERS[params.kind](data, params, root)
    reference = ask_module(trained.model, data.records, root, params.domain.input.size)
    save_predictions(root / layout.PREDICTIONS, trained.predictions)
    save_history(root / layout.HISTORY, trained.history)
    save_learning_curve(
        root / layout.LEARNING_CURVE, trained.curve.model_copy(update={"recipe": trained.recipe})
    )
    save_bundle(root / layout.BUNDLE, trained.model, _card(data, trained, params, root), reference)
    held_out = trained.predictions.held_out
    right = held_out.truth[np.arange(len(held_out.ids)), held_out.probabilities.argmax(1)].mean()
    judged = f", {right:.1%} of held-out images right" if TAG_RULES[params.kind].exclusive else ""
    print(
        f"train: {trained.recipe}, {params.domain.backbone.architecture}, "
        f"{int(data.training.sum()):,} images, {len(data.tags)} tags{judged}"
    )


RUNS: dict[Kind, Callable[[Params, Path], None]] = {
    "multiclass": _train_classifier,
    "multilabel": _train_classifier,
    "detection": _train_detector,
}


def _card(data: TrainingData, trained: Trained, params: Params, root: Path) -> ModelCard:
    from dahlia.modeling.backbones import card_of

    project = params.project
    return ModelCard(
        project=project.name,
        project_id=project_id(project.name),
        domain=params.domain.name,
        domain_id=params.domain.id,
        classification=project.classification,
        tags=tuple(
            TagCard(
                id=tag_id(project.name, tag),
                name=tag,
                type="Negative" if tag == project.negative_tag else "Regular",
            )
            for tag in data.tags
        ),
        input=InputCard(size=params.domain.input.size),
        channels=params.domain.channels,
        backbone=card_of(trained.model.backbone),
        temperature=trained.temperature,
        negatives=trained.negatives,
        training=TrainingCard(
            recipe=trained.recipe,
            regularisation=trained.strength,
            views=trained.views,
            images=int(np.sum(data.training)),
            seed=project.seed,
        ),
        data_fingerprint=fingerprint(data.records),
        git_revision=git_revision(root)[0],
        dahlia_version=__version__,
    )
