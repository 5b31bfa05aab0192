"""The negative set of a training, and what its gate does to held-out predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import click
import numpy as np
import numpy.typing as npt

from dahlia.modeling.backbones import Backbone
from dahlia.modeling.card import NegativesCard
from dahlia.modeling.negative_set import NegativeSet, negative_set
from dahlia.modeling.predictions import ClassPredictions
from dahlia.params import Params
from dahlia.training.gate import Features, Gate, GateProblem, Mask, Values
from dahlia.training.quick import QuickResult


def find_negatives(params: Params, backbone: Backbone) -> NegativeSet | None:
    """The built-in set of a backbone; None where none is wanted, or there is none, which is told.

    Raises:
        WeightsError: its file is damaged.
    """
    if params.project.negatives == "none":
        return None
    found = negative_set(backbone.fingerprint, params.domain.input.size)
    if found is None:
        click.echo(
            f"train: no negative set for {backbone.architecture} with these weights at "
            f"{params.domain.input.size} px: photos of anything else will get a tag (docs/training.md)"
        )
    return found


def negatives_card(found: NegativeSet) -> NegativesCard:
    """What a model's card says of its set."""
    record = found.record
    return NegativesCard(photos=len(found.places), sources=record.sources, licence=record.licence)


@dataclass(frozen=True)
class Gated:
    """The final gate, and what the folds' gates say.

    Attributes:
        gate: fitted on all photos.
        held_out: (N,) probabilities that a photo shows a tag, each by a gate that did not see its fold.
        problem: what other gates of the same photos are fitted with.
    """

    problem: GateProblem
    gate: Gate
    held_out: Values

    def of(self, quick: QuickResult) -> QuickResult:
        """The quick recipe's result, its held-out probabilities behind the gate."""
        opening = self.held_out[:, None]
        return replace(
            quick, probabilities=quick.probabilities * opening, uncalibrated=quick.uncalibrated * opening
        )


def fit_gates(
    views: Sequence[Features], truth: Mask, folds: npt.NDArray[np.int32], negatives: NegativeSet
) -> Gated:
    """Fit a gate per fold, and the final one.

    Args:
        views: V arrays (N, D), the plain view first.
        truth: (N, K) bool.
        folds: (N,) the fold of each image.
        negatives: of the same backbone and input size.
    """
    problem = GateProblem(views, truth, negatives)
    return Gated(problem, problem.fit(np.ones(len(truth), bool)), problem.held_out(folds, views[0]))


def behind(predictions: ClassPredictions, opening: Values) -> ClassPredictions:
    """Predictions of N images, each multiplied by its probability (N,) of showing a tag."""
    return replace(
        predictions,
        probabilities=predictions.probabilities * opening[:, None],
        uncalibrated=predictions.uncalibrated * opening[:, None],
        gated=True,
    )
