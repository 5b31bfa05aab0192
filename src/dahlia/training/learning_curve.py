"""What fewer photos would have given: heads on shares of the training photos, judged on held-out ones.

The heads have the views and the strength that the quick recipe chose. On the photo sets measured a strength
that grows as photos get fewer moved no point by more than chance. Heads on the plain view alone cost a tenth
but moved points by up to two hundredths either way, so the last would not have been the reported figure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from dahlia.kinds import Kind
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.modeling.predictions import HALF, FoldOutcomes, LearningCurve
from dahlia.training.heads import HeadProblems, fit_heads
from dahlia.training.quick import QuickResult

SHARES = (0.25, 0.5, 0.75)
Mask = npt.NDArray[np.bool_]
Features = npt.NDArray[np.float32]


def measure_learning_curve(
    views: Sequence[Features],
    truth: Mask,
    folds: npt.NDArray[np.int32],
    quick: QuickResult,
    *,
    tags: Sequence[str],
    kind: Kind,
    max_iterations: int,
    seed: int,
    gate: npt.NDArray[np.float64] | None = None,
) -> LearningCurve:
    """Fit a head per fold and share, and judge it on the fold.

    All of the other folds' photos are not fitted again: there the quick recipe's own held-out predictions
    are taken, so the last point is the figure that is reported.

    Args:
        views: V arrays (N, D), the plain view first, as `train_quick` got them.
        truth: (N, K) bool.
        folds: (N,) the fold of each image; none of the user's own test set.
        quick: what `train_quick` found on them.
        tags: K names.
        kind: of the model.
        max_iterations: of the solver.
        seed: of the draw.
        gate: (N,) held-out probabilities by which those of `quick` were multiplied; heads on fewer photos
            have the same gate.

    Raises:
        TrainingError: a loss is not finite.
    """
    parts = [int(part) for part in np.unique(folds)]
    drawn = {part: _draw(truth, folds != part, np.random.default_rng([seed, part])) for part in parts}
    problems = [(part, rows) for part in parts for rows in drawn[part]]
    logits = _held_out_logits(views, truth, folds, problems, quick, kind, max_iterations)
    likelihood = LIKELIHOODS[kind]
    opening = np.ones(len(truth)) if gate is None else gate
    held_out = [likelihood.probabilities(each) * opening[:, None] for each in logits.swapaxes(0, 1)]
    held_out.append(quick.probabilities)
    given = [likelihood.given(probabilities, HALF) for probabilities in held_out]  # as evaluation judges

    def outcomes(among: Mask, right: Sequence[Mask]) -> tuple[FoldOutcomes, ...]:
        return tuple(_outcomes(part, among, [*drawn[part], folds != part], right, folds) for part in parts)

    whole = [likelihood.right(answers, truth) for answers in given]
    return LearningCurve.model_validate(
        {
            "recipe": "quick",
            "classification": kind,
            "shares": (*SHARES, 1.0),
            "tags": tuple(tags),
            "whole": outcomes(np.ones(len(truth), bool), whole),
            "by_tag": tuple(
                outcomes(truth[:, tag], [answers[:, tag] for answers in given]) for tag in range(len(tags))
            ),
        }
    )


def _draw(truth: Mask, pool: Mask, random: np.random.Generator) -> list[Mask]:
    """A mask (N,) per share of the pool: that share of its images and of every tag's, rounded up.

    Each share holds the smaller ones. Rare tags choose first, because an image may have several; images
    without a tag are drawn like those of a tag, and whatever is missing at the end from all.
    """
    order = random.permutation(len(truth))
    groups = [pool, *(pool & group for group in (*truth.T, ~truth.any(1)))]
    taken, drawn = np.zeros(len(truth), bool), []
    for share in SHARES:
        for group in sorted(groups, key=np.count_nonzero):
            wanted = int(np.ceil(share * group.sum())) - int((group & taken).sum())
            taken[order[(group & ~taken)[order]][: max(wanted, 0)]] = True
        drawn.append(taken.copy())
    return drawn


def _held_out_logits(
    views: Sequence[Features],
    truth: Mask,
    folds: npt.NDArray[np.int32],
    problems: Sequence[tuple[int, Mask]],
    quick: QuickResult,
    kind: Kind,
    max_iterations: int,
) -> npt.NDArray[np.float64]:
    """(N, shares, K): each row by the heads that left its fold out."""
    features = torch.from_numpy(np.concatenate(views))
    targets = torch.from_numpy(np.tile(LIKELIHOODS[kind].shares(truth), (len(views), 1)).astype(np.float32))
    rows = torch.from_numpy(np.stack([np.tile(learned, len(views)) for _, learned in problems]))
    plain = torch.from_numpy(views[0])
    (heads,) = fit_heads(
        HeadProblems(features, targets, rows, kind),
        [quick.strength],
        max_iterations=max_iterations,
        principal=quick.principal,
    )
    logits = np.zeros((len(truth), len(SHARES), truth.shape[1]))
    for number, (part, _) in enumerate(problems):
        judged = folds == part
        found = heads.logits(plain[torch.from_numpy(judged)], number)
        logits[judged, number % len(SHARES)] = found.double().numpy()
    return logits


def _outcomes(
    part: int, among: Mask, learned: Sequence[Mask], right: Sequence[Mask], folds: npt.NDArray[np.int32]
) -> FoldOutcomes:
    judged = np.flatnonzero(among & (folds == part))
    ways = Counter("".join("1" if answers[row] else "0" for answers in right) for row in judged)
    return FoldOutcomes(
        fold=part,
        learned=tuple(int((among & rows).sum()) for rows in learned),
        outcomes=dict(sorted(ways.items())),
    )
