"""The advanced recipe of a detector: longer, with the last stages of the backbone, within a budget.

Each run goes on from the quick one of the same photos. What held-out photos say is better is kept.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import click
import numpy as np

from dahlia.files import write_json
from dahlia.params import FineTuningParams
from dahlia.training.detection.finder import Finder
from dahlia.training.detection.folds import FoldRuns, Phase, Problem, run_folds
from dahlia.training.detection.judging import UNSCALED, average_precision, found_in
from dahlia.training.detection.runs import RunData, train_run
from dahlia.training.detection.tail import Tail
from dahlia.training.threads import in_threads, thread_count

_USABLE = 0.8  # of the budget: the rest is for judging, and for a machine that is busier than it was
_PROBE_STEPS = 4
_LEAST_STEPS = 100
_MOST_STEPS = 4000  # more only learns few photos by heart
_RATE = 0.5  # of the quick recipe's learning rate
_OVERLAPS = (0.5, 0.75)  # at which both are compared: found at all, and placed well
_PLAN = "plan.json"


def train_deeper(
    problem: Problem, quick: FoldRuns, tail: Tail | None, params: FineTuningParams, folder: Path
) -> FoldRuns | None:
    """Go on from the quick runs, as far as the budget allows.

    Args:
        problem: what runs learn.
        quick: where they start from, and what they must beat.
        tail: the last stages of the backbone; None where they cannot learn apart.
        params: of the recipe; reads `budget_minutes`.
        folder: where runs keep what they have done.

    Returns:
        The runs; None where the quick ones are better on held-out photos, or there is no time.

    Raises:
        TrainingError: a loss is not finite.
        DahliaError: a checkpoint cannot be written.
    """
    start = {part: learned.weights for part, learned in quick.learned.items()}
    steps = _planned(problem, Phase("advanced", _PROBE_STEPS, _RATE, tail, start), params, folder)
    if steps < _LEAST_STEPS:
        click.echo(
            f"train: {params.budget_minutes:g} minutes are too few for {_LEAST_STEPS} steps of each run; the "
            "quick detector is kept. Raise `training.fine_tuning.budget_minutes`."
        )
        return None
    runs = run_folds(problem, Phase("advanced", steps, _RATE, tail, start), folder)
    before, after = held_out_score(problem, quick), held_out_score(problem, runs)
    said = f"{after:.1%} mean average precision on held-out photos against {before:.1%}"
    if after <= before:
        click.echo(f"train: deeper training is no better, {said}; the quick detector is kept")
        return None
    click.echo(f"train: deeper training is better, {said}; {steps} steps")
    return runs


def held_out_score(problem: Problem, runs: FoldRuns) -> float:
    """Mean average precision of held-out photos at an overlap of a half and of three quarters, 0 to 1."""
    rows = np.flatnonzero(problem.data.training).tolist()
    found = [found_in(runs.answers[row], UNSCALED, problem.detector).boxes for row in rows]
    truth = [problem.data.truth[row] for row in rows]
    figures = [average_precision(found, truth, len(problem.data.tags), least) for least in _OVERLAPS]
    return float(np.mean(figures))


def _planned(problem: Problem, probe: Phase, params: FineTuningParams, folder: Path) -> int:
    """Steps of each run; what was decided once is not decided again."""
    path = folder / _PLAN
    if path.exists():
        return int(json.loads(path.read_text(encoding="utf-8"))["steps"])
    rounds = math.ceil(len(problem.jobs) / thread_count())
    seconds = _USABLE * params.budget_minutes * 60 / rounds
    steps = min(_MOST_STEPS, int(seconds / _seconds_per_step(problem, probe, folder)))
    write_json(path, {"steps": steps})
    return steps


def _seconds_per_step(problem: Problem, probe: Phase, folder: Path) -> float:
    """What a step takes where every core takes one."""

    def timed(numbered: tuple[int, Finder]) -> float:
        data, (number, finder) = problem.data, numbered
        path = folder / f"probe-{number}.safetensors"
        rows = RunData(problem.maps, data.truth, len(data.tags), problem.learned_from(None))
        began = time.monotonic()
        train_run(
            finder,
            rows,
            problem.training,
            steps=probe.steps,
            seed=problem.seed,
            checkpoint=path,
        )
        path.unlink(missing_ok=True)
        return (time.monotonic() - began) / probe.steps

    workers = thread_count()
    finders = [(number, problem.finder(probe.tail)) for number in range(workers)]
    return max(in_threads(timed, finders, workers))
