"""How tags are distributed over a photo, by kind: from logits to probabilities, losses and decisions.

The temperature that calibrates them is fitted here. Arrays are numpy's; the same in torch, for graphs and
gradients, is in `dahlia.modeling.classifier` and `dahlia.training.optimisation`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from dahlia.kinds import Kind

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
_BOUNDS = (0.05, 20.0)
_PRIOR_IMAGES = 4.0


class Likelihood(Protocol):
    """A distribution over K tags; logits, probabilities and truth are (N, K)."""

    decisions: str
    """What `accuracy` counts: `images` or `tags`."""

    def shares(self, truth: Mask) -> Values:
        """How much of an image each of its tags has."""

    def probabilities(self, logits: Values) -> Values:
        """Of logits, 0 to 1."""

    def logits(self, probabilities: Values) -> Values:
        """Some that give the probabilities, which lie between 0 and 1."""

    def negative_log_likelihood(self, logits: Values, truth: Mask) -> float:
        """The sum over the images, in nats."""

    def given(self, probabilities: npt.NDArray[np.floating], threshold: float) -> Mask:
        """The tags by which an image is judged right or wrong."""

    def right(self, given: Mask, truth: Mask) -> Mask:
        """(N,) the images whose given tags are right."""

    def accuracy(self, probabilities: npt.NDArray[np.floating], truth: Mask) -> float:
        """The share of `decisions` that are right at one half, 0 to 1."""


class Categorical:
    """One tag is right, and probabilities sum to 1. Of an image with several tags, each has an equal part."""

    decisions = "images"

    def shares(self, truth: Mask) -> Values:
        """Rows sum to 1."""
        return np.asarray(truth / truth.sum(1, keepdims=True))

    def probabilities(self, logits: Values) -> Values:
        """Softmax."""
        exponents = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(exponents / exponents.sum(1, keepdims=True))

    def logits(self, probabilities: Values) -> Values:
        """Their logarithms."""
        return np.asarray(np.log(probabilities))

    def negative_log_likelihood(self, logits: Values, truth: Mask) -> float:
        """Cross-entropy."""
        top = logits.max(1, keepdims=True)
        normaliser = top[:, 0] + np.log(np.exp(logits - top).sum(1))
        return float((normaliser - (logits * self.shares(truth)).sum(1)).sum())

    def given(self, probabilities: npt.NDArray[np.floating], threshold: float) -> Mask:
        """The most probable tag, whatever the threshold."""
        return np.asarray(np.eye(probabilities.shape[1], dtype=bool)[probabilities.argmax(1)])

    def right(self, given: Mask, truth: Mask) -> Mask:
        """Those whose given tag is one of theirs."""
        return np.asarray((given <= truth).all(1))

    def accuracy(self, probabilities: npt.NDArray[np.floating], truth: Mask) -> float:
        """The share of images whose most probable tag is one of theirs."""
        return float(truth[np.arange(len(truth)), probabilities.argmax(1)].mean())


class Bernoulli:
    """Each tag is right or wrong by itself."""

    decisions = "tags"

    def shares(self, truth: Mask) -> Values:
        """All of the image."""
        return truth.astype(np.float64)

    def probabilities(self, logits: Values) -> Values:
        """The logistic function."""
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -500, 500))))

    def logits(self, probabilities: Values) -> Values:
        """Their log odds."""
        return np.asarray(np.log(probabilities / (1 - probabilities)))

    def negative_log_likelihood(self, logits: Values, truth: Mask) -> float:
        """Binary cross-entropy, summed over the tags too."""
        return float((np.logaddexp(0, logits) - logits * truth).sum())

    def given(self, probabilities: npt.NDArray[np.floating], threshold: float) -> Mask:
        """The tags whose probability reaches the threshold."""
        return np.asarray(probabilities >= threshold)

    def right(self, given: Mask, truth: Mask) -> Mask:
        """Those that are right in every tag."""
        return np.asarray((given == truth).all(1))

    def accuracy(self, probabilities: npt.NDArray[np.floating], truth: Mask) -> float:
        """The share of pairs of image and tag that are decided rightly."""
        return float(((probabilities >= 0.5) == truth).mean())


LIKELIHOODS: dict[Kind, Likelihood] = {"multiclass": Categorical(), "multilabel": Bernoulli()}


def fit_temperature(
    logits: npt.NDArray[np.float64],
    truth: npt.NDArray[np.bool_],
    kind: Kind,
    *,
    prior_images: float = _PRIOR_IMAGES,
) -> float:
    """The temperature that makes held-out predictions most likely.

    Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017. A log-normal prior
    around 1 with the weight of a few images keeps a small and perfectly separated set
    from asking for certainty.

    Args:
        logits: (N, K) of images that the scored model did not see.
        truth: (N, K) bool.
        kind: of the model.
        prior_images: the weight of the prior: how many images that say 1 it counts as, about.

    Returns:
        A number between 0.05 and 20; above 1 the model was too sure of itself.
    """
    from scipy.optimize import minimize_scalar

    def objective(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        loss = LIKELIHOODS[kind].negative_log_likelihood(scaled, truth)
        return loss + 0.5 * prior_images * log_temperature**2

    bounds = (float(np.log(_BOUNDS[0])), float(np.log(_BOUNDS[1])))
    found = minimize_scalar(objective, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))
