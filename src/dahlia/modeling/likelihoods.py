"""How tags are distributed over a photo, by kind: from logits to probabilities, losses and decisions.

Arrays are numpy's; the same in torch, for graphs and gradients, is in `dahlia.modeling.classifier` and
`dahlia.training.optimisation`. What calibrates logits is in `dahlia.modeling.scaling`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from dahlia.kinds import Kind

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Likelihood(Protocol):
    """A distribution over K tags; logits, probabilities and truth are (N, K)."""

    decisions: str
    """What `accuracy` counts: `images` or `tags`."""
    shifts: bool
    """Whether a number that is added to all logits changes probabilities."""

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

    def none(self, probabilities: npt.NDArray[np.floating]) -> Values:
        """(..., K) probabilities to (...) that none of the tags applies."""


class Categorical:
    """At most one tag is right. Of an image with several tags, each has an equal part.

    Probabilities sum to 1, or to less where a model has a gate: the rest is that of no tag.
    """

    decisions = "images"
    shifts = False

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

    def none(self, probabilities: npt.NDArray[np.floating]) -> Values:
        """What is missing to 1."""
        return np.asarray(np.clip(1 - probabilities.sum(-1, dtype=np.float64), 0, 1))


class Bernoulli:
    """Each tag is right or wrong by itself."""

    decisions = "tags"
    shifts = True

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

    def none(self, probabilities: npt.NDArray[np.floating]) -> Values:
        """The product of their complements, as if tags came and went each by itself."""
        return np.asarray((1 - probabilities.astype(np.float64)).prod(-1))


LIKELIHOODS: dict[Kind, Likelihood] = {"multiclass": Categorical(), "multilabel": Bernoulli()}
