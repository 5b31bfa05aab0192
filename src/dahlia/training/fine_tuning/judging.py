"""The runs of the folds, how good they are, and how long to train: chosen on photos that are not reported.

Each run is judged on photos that it did not see, and all are of the same length. Taking, for every fold,
the epoch at which its own held-out loss was lowest would report the luckiest of many looks. So the epoch
at which fold i is judged, and its temperature, come from the held-out losses of the other folds; the final
model's come from all, and nothing is reported on it.

When the finished folds say that more epochs only hurt, the later folds stop a few epochs after that. This
takes late epochs away from the choice made for the finished folds; which of the others is taken, they
still do not say.
"""

from __future__ import annotations

from dataclasses import dataclass

import click
import numpy as np
import numpy.typing as npt

from dahlia.kinds import Kind
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.modeling.scaling import Scaling, calibrate
from dahlia.training.fine_tuning.run import RECORD, Run, TuningContext, is_whole, tune
from dahlia.training.fine_tuning.tuning_data import TuningData
from dahlia.training.quick import QuickResult

Logits = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """Held-out predictions, and what was chosen.

    Attributes:
        probabilities: (N, K) calibrated; epoch and temperature of a row were chosen without its fold.
        uncalibrated: (N, K) the same without temperature.
        epochs: of the final model, chosen on all folds.
        scaling: of the final model's logits.
    """

    probabilities: Logits
    uncalibrated: Logits
    epochs: int
    scaling: Scaling


def judge(logits: Logits, truth: Truth, folds: npt.NDArray[np.int32], kind: Kind) -> Judged:
    """Choose epochs and temperatures crosswise.

    Args:
        logits: (E, N, K) held-out logits after each of E epochs, each row by a model that did not see it.
        truth: (N, K).
        folds: (N,).
        kind: of the model.
    """
    likelihood = LIKELIHOODS[kind]
    probabilities, uncalibrated = np.zeros(truth.shape), np.zeros(truth.shape)
    for part in np.unique(folds):
        rows = folds == part
        epochs, scaling = best_epoch(logits[:, ~rows], truth[~rows], kind)
        probabilities[rows] = likelihood.probabilities(scaling.of(logits[epochs - 1, rows]))
        uncalibrated[rows] = likelihood.probabilities(logits[epochs - 1, rows] + scaling.bias)
    return Judged(probabilities, uncalibrated, *best_epoch(logits, truth, kind))


def best_epoch(logits: Logits, truth: Truth, kind: Kind) -> tuple[int, Scaling]:
    """The number of epochs, 1 to E, with the lowest loss once calibrated, and what calibrates them."""
    scalings = [calibrate(epoch, truth, kind) for epoch in logits]
    losses = [
        LIKELIHOODS[kind].negative_log_likelihood(scaling.of(epoch), truth)
        for epoch, scaling in zip(logits, scalings, strict=True)
    ]
    best = int(np.argmin(losses))
    return best + 1, scalings[best]


def loss(probabilities: Logits, truth: Truth, kind: Kind) -> float:
    """Nats per image; for `multilabel` summed over the tags."""
    clipped = np.clip(probabilities, 1e-12, 1 - 1e-12)
    likelihood = LIKELIHOODS[kind]
    return likelihood.negative_log_likelihood(likelihood.logits(clipped), truth) / len(truth)


_VOTERS = 2


@dataclass(frozen=True)
class Problem:
    """What is to be learned.

    Attributes:
        quick: heads to start from, and their held-out predictions.
        data: N photos.
        folds: (N,).
        kind: of the model.
    """

    quick: QuickResult
    data: TuningData
    folds: npt.NDArray[np.int32]
    kind: Kind

    @property
    def parts(self) -> list[int]:
        """The folds, sorted."""
        return [int(part) for part in np.unique(self.folds)]


def judge_folds(context: TuningContext, problem: Problem) -> Logits | None:
    """Run every fold that is not finished.

    Returns:
        (E, N, K) held-out logits after as many epochs as all folds have; `None` where the budget is too
        short for one epoch of each fold and of the final model.

    Raises:
        TrainingError: see `tune`.
    """
    finished: list[Logits] = []
    for number, part in enumerate(problem.parts):
        logits = context.folder.logits(number)
        if logits is None:
            logits = _judge_fold(context, problem, number, part)
        if len(logits) < 1 or context.plan.horizon < 1:
            return None
        finished.append(logits)
        _stop_early(context, problem, finished)
    epochs = min(context.plan.horizon, *(len(logits) for logits in finished))
    table = np.zeros((epochs, *problem.data.truth.shape))
    for part, logits in zip(problem.parts, finished, strict=True):
        table[:, problem.folds == part] = logits[:epochs]
    return table


def _judge_fold(context: TuningContext, problem: Problem, number: int, part: int) -> Logits:
    own = problem.folds == part
    run = Run(
        number=number,
        where=f"fold {number + 1} of {len(problem.parts)}",
        head=problem.quick.fold_heads[part],
        data=problem.data.where(~own),
        held_out=problem.data.where(own),
    )
    before = context.plan.horizon
    kept = tune(context, run, before)
    # A fold that the clock cut off in the middle leaves nothing for the folds after it.
    horizon = min(before, kept[RECORD]["horizon"]) if kept is not None and is_whole(kept, before) else 0
    if 0 < horizon < before:
        click.echo(f"train: the machine became slower; {horizon} epochs of {before} fit into the budget")
    context.keep(horizon=horizon)
    if kept is None:
        return np.zeros((0, int(own.sum()), problem.data.truth.shape[1]))
    logits = np.stack([epoch.numpy() for epoch in kept[RECORD]["judged"]])
    context.folder.finish(number, logits)
    return logits


def _stop_early(context: TuningContext, problem: Problem, finished: list[Logits]) -> None:
    horizon = context.plan.horizon
    if not _VOTERS <= len(finished) < len(problem.parts):
        return
    rows = [np.flatnonzero(problem.folds == part) for part in problem.parts[: len(finished)]]
    together = np.concatenate([logits[:horizon] for logits in finished], axis=1)
    best, _ = best_epoch(together, problem.data.truth[np.concatenate(rows)], problem.kind)
    if best + context.params.patience < horizon:
        context.keep(horizon=best + context.params.patience)
        click.echo(
            f"train: {len(finished)} folds were best after {best} of {horizon} epochs; the others stop after "
            f"{context.plan.horizon}"
        )
