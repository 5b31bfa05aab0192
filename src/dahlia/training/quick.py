"""The quick recipe: a frozen backbone, and a linear head chosen and judged without peeking.

For every fold i the head that predicts it is fitted on the other folds, and so are all choices made for
it: the strength of regularisation and the temperature come from heads that saw neither fold i nor the
fold j on which they are compared (nested cross-validation). So held-out figures are of images that no
part of training or selection saw.

Of more than five folds, strengths are compared by heads that saw neither of two fifths, and temperatures,
which depend on how much a head has learned from, by heads that saw neither of two folds, at the strengths
chosen: an eighth of the work that all pairs at all strengths would be.

On few photos the strength with the lowest loss, and the temperature fitted at it, are largely luck, and the
luckiest is too sure of itself. So the two are chosen together, by loss once calibrated, and with priors: the
temperature is near 1 (a regularised head is nearly calibrated), the strength near the middle of those given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
import numpy.typing as npt
import torch

from dahlia.dataset.fold_numbers import FEWEST
from dahlia.errors import TrainingError
from dahlia.kinds import Kind
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.modeling.scaling import Scaling, calibrate
from dahlia.training.heads import HeadProblems, Heads, PrincipalAxes, fit_heads, principal_axes
from dahlia.training.threads import one_thread

_LEAST_FOLDS = 3
PRIOR_IMAGES = 20.0  # the precision of the prior of the temperature of heads, see `calibrate`
_PRIOR_DECADES = 1.0  # standard deviation of the strength's logarithm
Logits = npt.NDArray[np.float64]
Parts = tuple[int, ...]
"""Folds that are left out, or judged, together."""


@dataclass(frozen=True)
class QuickResult:
    """The final head, and what the folds say of heads made the same way.

    Attributes:
        weight: (D, K) of the final head.
        bias: (K,), of which calibration has a part where tags are right or wrong by themselves.
        temperature: of the final head.
        strength: its regularisation.
        probabilities: (N, K) held-out, calibrated.
        uncalibrated: (N, K) the same without temperature.
        fold_heads: for each fold the (D, K) weight and (K,) bias fitted without it, likewise.
        search: for each strength what it is chosen by: the held-out loss per image (nats) once calibrated,
            with the priors' share.
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
    parts: list[Parts] = [(int(part),) for part in np.unique(folds)]
    if len(parts) < _LEAST_FOLDS:
        raise TrainingError(
            f"Training needs images in at least {_LEAST_FOLDS} folds (one to judge, one to choose on, one to "
            f"learn from), received {len(parts)}. Add photos, then run `dvc repro`."
        )
    unions = _unions(parts)
    left_out = list(dict.fromkeys([(), *parts, *unions, *map(_together, combinations(unions, 2))]))
    problems = _problems(views, truth, folds, left_out, kind)
    principal = principal_axes(problems.features)
    paths = fit_heads(problems, strengths, max_iterations=max_iterations, principal=principal)
    fitted = _FittedHeads(torch.from_numpy(views[0]), truth, folds, kind)
    fitted.add(left_out, dict(enumerate(paths)))

    chosen: dict[Parts, int] = {}
    for union in unions:
        best = int(np.argmin(fitted.losses([other for other in unions if other != union], union, strengths)))
        chosen |= {part: best for part in parts if set(part) <= set(union)}
    if unions != parts:
        pairs = [_together(pair) for pair in combinations(parts, 2)]
        closer = _problems(views, truth, folds, pairs, kind)
        # One after the other: from where a path of strengths begins, its ends differ in the last digits, and
        # what is chosen for one fold must not touch another.
        for number in sorted(set(chosen.values())):
            (heads,) = fit_heads(
                closer, [strengths[number]], max_iterations=max_iterations, principal=principal
            )
            fitted.add(pairs, {number: heads})

    likelihood, shape = LIKELIHOODS[kind], truth.shape
    calibrated, uncalibrated = np.zeros(shape), np.zeros(shape)
    fold_heads = {}
    for part in parts:
        rows = np.isin(folds, part)
        scaling = fitted.scaling([other for other in parts if other != part], part, chosen[part])
        logits = fitted.logits(part, part, chosen[part])
        calibrated[rows] = likelihood.probabilities(scaling.of(logits))
        uncalibrated[rows] = likelihood.probabilities(logits + scaling.bias)
        weight, bias = fitted.head(part, chosen[part])
        fold_heads[part[0]] = weight, bias + scaling.bias
    losses = fitted.losses(parts, (), strengths)
    best = int(np.argmin(losses))
    final, scaling = paths[best], fitted.scaling(parts, (), best)
    return QuickResult(
        weight=final.weight[0],
        bias=final.bias[0] + scaling.bias,
        temperature=scaling.temperature,
        strength=strengths[best],
        probabilities=calibrated,
        uncalibrated=uncalibrated,
        fold_heads=fold_heads,
        search=[(strength, loss / len(truth)) for strength, loss in zip(strengths, losses, strict=True)],
        principal=principal,
    )


class _FittedHeads:
    """Heads by the folds that they have not seen and the number of their strength, and what they say.

    Args:
        plain: (N, D) the view that is judged.
        truth: (N, K).
        folds: (N,).
        kind: of the model.
    """

    def __init__(
        self, plain: torch.Tensor, truth: npt.NDArray[np.bool_], folds: npt.NDArray[np.int32], kind: Kind
    ) -> None:
        self.plain, self.truth, self.folds, self.kind = plain, truth, folds, kind
        self._heads: dict[tuple[Parts, int], tuple[Heads, int]] = {}

    def add(self, left_out: Sequence[Parts], paths: Mapping[int, Heads]) -> None:
        """Keep heads, one per entry of `left_out` at each strength."""
        for strength, heads in paths.items():
            for number, out in enumerate(left_out):
                self._heads.setdefault((out, strength), (heads, number))

    def head(self, left_out: Parts, strength: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight (D, K) and bias (K,)."""
        heads, number = self._heads[left_out, strength]
        return heads.weight[number], heads.bias[number]

    @one_thread()
    def logits(self, left_out: Parts, judged: Parts, strength: int) -> Logits:
        """(M, K) of the images of the folds `judged`."""
        heads, number = self._heads[left_out, strength]
        rows = torch.from_numpy(np.isin(self.folds, judged))
        return heads.logits(self.plain[rows], number).double().numpy()

    def losses(self, judged: Sequence[Parts], outer: Parts, strengths: Sequence[float]) -> list[float]:
        """For each strength the loss once calibrated, and what the priors take; see `scaling`."""
        decades = np.log10(strengths) - np.mean(np.log10(strengths))
        return [
            self.scaling(judged, outer, number).loss + 0.5 * (decade / _PRIOR_DECADES) ** 2
            for number, decade in enumerate(decades)
        ]

    def scaling(self, judged: Sequence[Parts], outer: Parts, strength: int) -> Scaling:
        """Fitted on the images of `judged`, each by the head that saw neither it nor `outer`."""
        logits = [self.logits(_together((outer, part)), part, strength) for part in judged]
        truth = [self.truth[np.isin(self.folds, part)] for part in judged]
        return calibrate(np.concatenate(logits), np.concatenate(truth), self.kind, prior_images=PRIOR_IMAGES)


def _unions(parts: Sequence[Parts]) -> list[Parts]:
    """Of more than five folds, five unions of them."""
    return [_together(parts[at::FEWEST]) for at in range(min(FEWEST, len(parts)))]


def _together(parts: Iterable[Parts]) -> Parts:
    return tuple(sorted(chain.from_iterable(parts)))


def _problems(
    views: Sequence[npt.NDArray[np.float32]],
    truth: npt.NDArray[np.bool_],
    folds: npt.NDArray[np.int32],
    left_out: Sequence[Parts],
    kind: Kind,
) -> HeadProblems:
    in_views = np.concatenate([folds] * len(views))
    return HeadProblems(
        torch.from_numpy(np.concatenate(views)),
        torch.from_numpy(np.tile(LIKELIHOODS[kind].shares(truth), (len(views), 1)).astype(np.float32)),
        torch.from_numpy(np.stack([~np.isin(in_views, out) for out in left_out])),
        kind,
    )
