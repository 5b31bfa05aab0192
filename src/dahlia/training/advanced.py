"""The advanced recipe: the last stages of the backbone learn too, and must beat the quick head.

Held-out photos decide. One run per fold, each from the quick head that was fitted without it, then a final
run on all photos. What the frozen stages make of a photo is the same for all of them and is computed once
(`fine_tuning/map_memory.py`). Every run follows one schedule, fixed before the first, and is judged after
every epoch; how many of the epochs are used is chosen crosswise (`fine_tuning/judging.py`). What is finished
is on disk (`fine_tuning/progress.py`), so the same command goes on after a kill; what is over budget is not
begun (`fine_tuning/run.py`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from dahlia.modeling.classifier import Classifier
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.params import FineTuningParams, TrainerParams
from dahlia.training.fine_tuning.judging import Judged, Logits, Problem, judge, judge_folds, loss
from dahlia.training.fine_tuning.map_memory import map_views
from dahlia.training.fine_tuning.progress import Budget, Clock, Plan, Timetable, TuningFolder, run_key
from dahlia.training.fine_tuning.run import RECORD, Run, TuningContext, seconds_per_photo, start_of, tune
from dahlia.training.fine_tuning.trunk import separable
from dahlia.training.fine_tuning.tuner import restored
from dahlia.training.fine_tuning.tuning_data import Memory, PhotoMemory, TuningData
from dahlia.training.quick import QuickResult
from dahlia.training.trainer import devices_for

# What is left of the budget for judging, for writing, and for a machine that is busier than it was.
_USABLE_BUDGET = 0.8
_SHARE_OF_MAPS = 0.2  # after which no further view is begun: passes gain more than views


@dataclass(frozen=True)
class AdvancedResult:
    """A fine-tuned model that was better than the quick head on held-out photos.

    Attributes:
        model: on all training images, with its temperature.
        temperature: of the final model.
        probabilities: (N, K) held-out, calibrated.
        uncalibrated: (N, K) the same without temperature.
        epochs: passes over the photos.
        gain: how much lower its held-out loss per image is (nats).
    """

    model: Classifier
    temperature: float
    probabilities: Logits
    uncalibrated: Logits
    epochs: int
    gain: float


def train_advanced(
    start: Classifier,
    quick: QuickResult,
    data: TuningData,
    folds: npt.NDArray[np.int32],
    params: FineTuningParams,
    state: Path,
    *,
    trainer: TrainerParams,
    memory: PhotoMemory | None = None,
    graphs: Path | None = None,
    clock: Clock = time.monotonic,
) -> AdvancedResult | None:
    """Fine-tune once per fold and once on all, within the budget; go on where a killed run stopped.

    Args:
        start: the classifier; it stays as it is.
        quick: its heads, and their held-out predictions.
        data: N photos.
        folds: (N,).
        params: of the recipe.
        state: the folder for what is finished; emptied when the recipe ends.
        trainer: what the runs run on, and what watches them.
        memory: where decoded photos are kept; made where there is none.
        graphs: a folder for the graph of the frozen stages; without one, torch computes them.
        clock: seconds that only grow.

    Returns:
        The result, or `None` where the quick head is as good or the budget is too short for one pass.

    Raises:
        DatasetError: a photo changed or vanished after ingest.
        TrainingError: the loss is not finite, or memory is short.
        DahliaError: what is finished cannot be written.
    """
    problem = Problem(quick, data, folds, start.kind)
    folder = TuningFolder(state, run_key(start, quick, data, folds, params, trainer))
    context = _prepare(
        start, problem, params, trainer, folder, memory or PhotoMemory(data.size), graphs, clock
    )
    result = _result(context, problem)
    folder.remove()
    return result


def _prepare(
    start: Classifier,
    problem: Problem,
    params: FineTuningParams,
    trainer: TrainerParams,
    folder: TuningFolder,
    photos: PhotoMemory,
    graphs: Path | None,
    clock: Clock,
) -> TuningContext:
    data, folds = problem.data, problem.folds
    subsets = [data.where(folds != part) for part in problem.parts]
    timetable = Timetable(tuple(subset.draws(params.balancing) for subset in [*subsets, data]))
    kept = folder.plan()
    spent = max([kept.spent if kept else 0.0, *_spent(folder, problem)])
    budget = Budget(params.budget_minutes * 60, spent, clock)
    photos.fill(data.ids, data.paths, lambda: budget.left <= 0)
    plan = kept or Plan(0, 1, 1, 0, 0.0)
    memory = _memory(start, data, params, trainer, photos, graphs, budget, plan)
    context = TuningContext(start, params, trainer, memory, budget, timetable, folder, plan)
    if kept is None or kept.epochs == 0:
        _plan(context, data)
    else:
        click.echo(f"train: resuming fine-tuning that was interrupted after {spent / 60:.1f} minutes")
    return context


def _memory(
    start: Classifier,
    data: TuningData,
    params: FineTuningParams,
    trainer: TrainerParams,
    photos: PhotoMemory,
    graphs: Path | None,
    budget: Budget,
    plan: Plan,
) -> Memory:
    """Maps where stages are frozen, else photos. A resumed run learns from the views that it began with."""
    stages = separable(start.backbone, params.frozen_stages, data.size)
    if stages == 0 or budget.left <= 0:
        return photos
    began = budget.spent
    maps = map_views(
        start.backbone,
        stages,
        data,
        photos,
        views=plan.views or params.views,
        trainer=trainer,
        graphs=graphs,
        enough=lambda: not plan.views and budget.spent - began > _SHARE_OF_MAPS * budget.seconds,
        stop=lambda: budget.left <= 0,
    )
    if maps is None:
        return photos
    photos.clear()
    return maps


def _spent(folder: TuningFolder, problem: Problem) -> list[float]:
    records = [folder.read(run) for run in range(len(problem.parts) + 1)]
    return [record[RECORD]["spent"] for record in records if record is not None]


def _plan(context: TuningContext, data: TuningData) -> None:
    epochs, devices = 0, 1
    if context.budget.left > 0:
        pace = seconds_per_photo(context, data)
        usable = context.budget.left - (1 - _USABLE_BUDGET) * context.budget.seconds
        epochs = context.timetable.affordable(0, 0, context.params.max_epochs, usable, pace)
        devices = devices_for(context.trainer, pace * epochs * context.timetable.draws[-1])
    views = getattr(context.memory, "views", 0)
    context.keep(epochs=epochs, devices=devices, horizon=epochs, views=views)


def _result(context: TuningContext, problem: Problem) -> AdvancedResult | None:
    if context.plan.epochs < 1:
        _too_short(context, "too few for one pass over each fold")
        return None
    logits = judge_folds(context, problem)
    if logits is None:
        _too_short(context, "too few for one pass over each fold, the machine became slower")
        return None
    judged = judge(logits, problem.data.truth, problem.folds, problem.kind)
    if not _wins(problem, judged):
        return None
    kept = tune(context, _final(context, problem), judged.epochs)
    done = 0 if kept is None else min(judged.epochs, kept[RECORD]["epochs"])
    if kept is None or done < 1:
        _too_short(context, "too few for the final model, the machine became slower")
        return None
    if done < judged.epochs:
        click.echo(f"train: the machine became slower; the final model has {done} epochs of {judged.epochs}")
        judged = judge(logits[done - 1 : done], problem.data.truth, problem.folds, problem.kind)
        if not _wins(problem, judged):
            return None
    return _finished(context, problem, judged, kept, done)


def _final(context: TuningContext, problem: Problem) -> Run:
    head = (problem.quick.weight, problem.quick.bias)
    return Run(len(problem.parts), "the final model", head, problem.data, None)


def _finished(
    context: TuningContext, problem: Problem, judged: Judged, kept: dict[str, Any], epochs: int
) -> AdvancedResult:
    start = start_of(context, _final(context, problem))
    model = restored(start, kept["state_dict"], context.params.interpolation)
    model.temperature.fill_(judged.scaling.temperature)
    model.head.bias.data += judged.scaling.bias
    return AdvancedResult(
        model=model,
        temperature=judged.scaling.temperature,
        probabilities=judged.probabilities,
        uncalibrated=judged.uncalibrated,
        epochs=epochs,
        gain=_gain(problem, judged),
    )


def _gain(problem: Problem, judged: Judged) -> float:
    truth, kind = problem.data.truth, problem.kind
    return loss(problem.quick.probabilities, truth, kind) - loss(judged.probabilities, truth, kind)


def _wins(problem: Problem, judged: Judged) -> bool:
    truth, likelihood = problem.data.truth, LIKELIHOODS[problem.kind]
    before, after = (
        likelihood.accuracy(table, truth) for table in (problem.quick.probabilities, judged.probabilities)
    )
    gain = _gain(problem, judged)
    said = f"{after:.1%} of held-out {likelihood.decisions} right against {before:.1%}"
    if gain <= 0:
        click.echo(
            f"train: fine-tuning is worse by {-gain:.3f} nats an image, {said}; the quick head is kept"
        )
        return False
    click.echo(f"train: fine-tuning is better by {gain:.3f} nats an image, {said}; {judged.epochs} epochs")
    return True


def _too_short(context: TuningContext, why: str) -> None:
    click.echo(
        f"train: {context.params.budget_minutes:g} minutes are {why}; the quick head is kept. Raise "
        "`training.fine_tuning.budget_minutes`."
    )
