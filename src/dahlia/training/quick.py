"""The quick recipe: a frozen backbone, and a linear head chosen and judged without peeking.

For every fold i the head that predicts it is fitted on the other folds, and so are all choices made for
it: the strength of regularisation and the temperature come from heads that saw neither fold i nor the
fold j on which they are compared (nested cross-validation). So held-out figures are of images that no
part of training or selection saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import torch

from dahlia.errors import TrainingError
from dahlia.kinds import Kind
from dahlia.modeling.likelihoods import LIKELIHOODS, fit_temperature
from dahlia.training.heads import HeadProblems, Heads, PrincipalAxes, fit_heads, principal_axes
from dahlia.training.threads import one_thread

_LEAST_FOLDS = 3
Logits = npt.NDArray[np.float64]


@dataclass(frozen=True)
class QuickResult:
    """The final head, and what the folds say of heads made the same way.

    Attributes:
        weight: (D, K) of the final head.
        bias: (K,).
        temperature: of the final head.
        strength: its regularisation.
        probabilities: (N, K) held-out, calibrated.
        uncalibrated: (N, K) the same without temperature.
        fold_heads: for each fold the (D, K) weight and (K,) bias fitted without it.
        search: for each strength the held-out loss per image (nats), for the curve.
        principal: axes of the features of all views, for fitting more heads on them.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    temperature: float
    strength: float
    probabilities: Logits
    uncalibrated: Logits
    fold_heads: dict[int, tuple[torch.Tensor, torch.Tensor]]
    search: list[tuple[float, float]]
    principal: PrincipalAxes | None = None


def train_quick(
    views: Sequence[npt.NDArray[np.float32]],
    truth: npt.NDArray[np.bool_],
    folds: npt.NDArray[np.int32],
    *,
    kind: Kind,
    strengths: Sequence[float],
    max_iterations: int,
) -> QuickResult:
    """Fit, choose and judge.

    Args:
        views: V arrays (N, D), the plain view first; heads are fitted on all, judged on the plain one.
        truth: (N, K) bool.
        folds: (N,) the fold of each image.
        kind: of the model.
        strengths: regularisation to choose from.
        max_iterations: of the solver, per strength.

    Raises:
        TrainingError: there are fewer than three folds, or a loss is not finite.
    """
    strengths = sorted(strengths, reverse=True)
    parts = [int(part) for part in np.unique(folds)]
    if len(parts) < _LEAST_FOLDS:
        raise TrainingError(
            f"Training needs images in at least {_LEAST_FOLDS} folds (one to judge, one to choose on, one to "
            f"learn from), received {len(parts)}. Add photos, then run `dvc repro`."
        )
    left_out: list[tuple[int, ...]] = [(), *((part,) for part in parts), *combinations(parts, 2)]
    problems = _problems(views, truth, folds, left_out, kind)
    principal = principal_axes(problems.features)
    paths = fit_heads(problems, strengths, max_iterations=max_iterations, principal=principal)
    plain = torch.from_numpy(views[0])
    fitted = _FittedHeads(paths, {out: number for number, out in enumerate(left_out)}, plain, folds)

    likelihood, shape = LIKELIHOODS[kind], truth.shape
    calibrated, uncalibrated = np.zeros(shape), np.zeros(shape)
    fold_heads = {}
    for part in parts:
        inner = [other for other in parts if other != part]
        rows = folds == part
        strength, temperature = _choose(fitted, inner, (part,), truth, kind, strengths)
        logits = fitted.logits((part,), part, strength)
        calibrated[rows] = likelihood.probabilities(logits / temperature)
        uncalibrated[rows] = likelihood.probabilities(logits)
        fold_heads[part] = fitted.head((part,), strength)
    best, temperature = _choose(fitted, parts, (), truth, kind, strengths)
    final = paths[best]
    return QuickResult(
        weight=final.weight[0],
        bias=final.bias[0],
        temperature=temperature,
        strength=strengths[best],
        probabilities=calibrated,
        uncalibrated=uncalibrated,
        fold_heads=fold_heads,
        search=[
            (strength, _loss(fitted, parts, (), truth, kind, number) / len(truth))
            for number, strength in enumerate(strengths)
        ],
        principal=principal,
    )


@dataclass(frozen=True)
class _FittedHeads:
    paths: list[Heads]
    number: dict[tuple[int, ...], int]
    plain: torch.Tensor
    folds: npt.NDArray[np.int32]

    def head(self, left_out: tuple[int, ...], strength: int) -> tuple[torch.Tensor, torch.Tensor]:
        heads, number = self.paths[strength], self.number[tuple(sorted(left_out))]
        return heads.weight[number], heads.bias[number]

    @one_thread()
    def logits(self, left_out: tuple[int, ...], part: int, strength: int) -> Logits:
        head = self.number[tuple(sorted(left_out))]
        rows = torch.from_numpy(self.folds == part)
        return self.paths[strength].logits(self.plain[rows], head).double().numpy()


def _choose(
    fitted: _FittedHeads,
    parts: list[int],
    outer: tuple[int, ...],
    truth: npt.NDArray[np.bool_],
    kind: Kind,
    strengths: Sequence[float],
) -> tuple[int, float]:
    losses = [_loss(fitted, parts, outer, truth, kind, n) for n in range(len(strengths))]
    best = int(np.argmin(losses))
    logits = np.concatenate([fitted.logits((*outer, part), part, best) for part in parts])
    kept = np.concatenate([truth[fitted.folds == part] for part in parts])
    return best, fit_temperature(logits, kept, kind)


def _loss(
    fitted: _FittedHeads,
    parts: list[int],
    outer: tuple[int, ...],
    truth: npt.NDArray[np.bool_],
    kind: Kind,
    strength: int,
) -> float:
    likelihood = LIKELIHOODS[kind]
    return sum(
        likelihood.negative_log_likelihood(
            fitted.logits((*outer, part), part, strength), truth[fitted.folds == part]
        )
        for part in parts
    )


def _problems(
    views: Sequence[npt.NDArray[np.float32]],
    truth: npt.NDArray[np.bool_],
    folds: npt.NDArray[np.int32],
    left_out: list[tuple[int, ...]],
    kind: Kind,
) -> HeadProblems:
    in_views = np.concatenate([folds] * len(views))
    return HeadProblems(
        torch.from_numpy(np.concatenate(views)),
        torch.from_numpy(np.tile(LIKELIHOODS[kind].shares(truth), (len(views), 1)).astype(np.float32)),
        torch.from_numpy(np.stack([~np.isin(in_views, out) for out in left_out])),
        kind,
    )
