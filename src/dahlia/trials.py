"""Trials: the model trained and judged with other parameters, beside the pipeline; many make a sweep.

A trial uses the photos and folds that the pipeline left, and writes nothing of the project but a run in
MLflow. Hydra makes the trials of a sweep: each combination of `domain.input.size=128,160`, or what Optuna
proposes with `hydra/sweeper=optuna`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dahlia import layout
from dahlia.composition import check_override_keys
from dahlia.config import check_params
from dahlia.errors import ConfigError, DahliaError, DatasetError
from dahlia.imports import require_extra
from dahlia.project import task_of

if TYPE_CHECKING:
    from rich.table import Table

    from dahlia.params import Params

GROUPS = ("domain", "training", "trainer", "evaluate")
_FAILED = 0.0
_OPTUNA = "hydra/sweeper=optuna"


@dataclass(frozen=True)
class Trial:
    """What one trial gave.

    Attributes:
        overrides: Hydra's, that make its parameters.
        score: held-out accuracy, or for multilabel the mean average precision, 0 to 1.
        loss: held-out log loss, nats an image; None for a trial that failed.
        problem: why it failed, or an empty text.
    """

    overrides: tuple[str, ...]
    score: float
    loss: float | None
    problem: str = ""


def run_trials(root: Path, overrides: Sequence[str], *, sweep: bool) -> list[Trial]:
    """Run one trial, or with `sweep` all that the overrides ask for.

    Returns:
        The trials, best first; failed ones last.

    Raises:
        ConfigError: an override names what a trial cannot change or does not know.
        DatasetError: the pipeline has not divided the photos yet.
        DahliaError: the only trial failed.
    """
    root = root.resolve()
    if _OPTUNA in overrides:
        require_extra("optuna", "A search by Optuna")
    _check(root, overrides)
    if not (root / layout.FOLDS).is_file():
        raise DatasetError(
            f"{root / layout.FOLDS} was expected and is not there. Run `dvc repro split` first."
        )
    folder = layout.TRIALS / time.strftime("%Y%m%d-%H%M%S")
    found: list[Trial] = []

    def task(composed: Any) -> float:
        trial = _run(root, folder / str(len(found)), composed)
        found.append(trial)
        click.echo(f"trial {len(found)}: {' '.join(trial.overrides) or 'as it is'}: {_told(trial)}")
        return trial.score

    try:
        _hydra(root / folder, root / "conf", overrides, task, sweep=sweep)
    finally:
        shutil.rmtree(root / folder, ignore_errors=True)
    if len(found) == 1 and found[0].problem:
        raise DahliaError(found[0].problem)
    return sorted(found, key=lambda trial: (trial.problem != "", -trial.score, trial.loss or 0.0))


def trials_table(trials: Sequence[Trial]) -> Table:
    """The trials, in their order."""
    from rich.table import Table

    table = Table("", "score", "log loss", "overrides", box=None)
    for place, trial in enumerate(trials, 1):
        loss = "-" if trial.loss is None else f"{trial.loss:.3f}"
        score = "failed" if trial.problem else f"{trial.score:.3f}"
        table.add_row(str(place), score, loss, " ".join(trial.overrides) or "as it is")
    return table


def _check(root: Path, overrides: Sequence[str]) -> None:
    for override in overrides:
        group = re.split(r"[./=]", override.lstrip("+~"))[0]
        if group == "hydra":
            continue
        if group not in GROUPS:
            raise ConfigError(
                f"A trial can change {', '.join(GROUPS)}, received `{override}`. It uses "
                "the photos and folds that are there: for others run `dvc exp run -S`."
            )
        check_override_keys(root, override)


def _hydra(folder: Path, conf: Path, overrides: Sequence[str], task: Any, *, sweep: bool) -> None:
    import hydra

    settings = [
        "hydra/job_logging=none",
        "hydra/hydra_logging=none",
        "hydra.output_subdir=null",
        f"hydra.run.dir='{folder}/hydra'",
        f"hydra.sweep.dir='{folder}/hydra'",
    ]
    if _OPTUNA in overrides:
        _quiet_optuna()
        if not any(override.startswith("hydra.sweeper.direction") for override in overrides):
            settings.append("hydra.sweeper.direction=maximize")
    arguments = [*(["--multirun"] if sweep else []), *settings, *overrides]
    entry = hydra.main(config_path=str(conf), config_name="config", version_base="1.3")(task)
    with _arguments(arguments):
        try:
            entry()
        except SystemExit as error:
            # Hydra has said on stderr what it could not compose; its exit code is 1.
            raise ConfigError(
                f"Hydra refused {' '.join(overrides)}; its reason is above. Correct the override."
            ) from error


def _quiet_optuna() -> None:
    # Optuna 2, the one that Hydra's stable plugin wants, warns of what it uses itself.
    warnings.filterwarnings("ignore", module="optuna")
    warnings.filterwarnings("ignore", module="hydra_plugins")
    import optuna

    optuna.logging.set_verbosity(logging.WARNING)


@contextlib.contextmanager
def _arguments(arguments: list[str]) -> Iterator[None]:
    # Hydra's public entry point reads the process's own.
    before = sys.argv
    sys.argv = [before[0], *arguments]
    try:
        yield
    finally:
        sys.argv = before


def _run(root: Path, folder: Path, composed: Any) -> Trial:
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    overrides = tuple(HydraConfig.get().overrides.task)
    try:
        params = check_params(OmegaConf.to_container(composed, resolve=True), "conf/")
        _check_task(root, params)
        workspace = _workspace(root, folder)
        from dahlia.evaluation.judges import FIGURES
        from dahlia.stages import evaluate, train
        from dahlia.tracking.record import record_trial

        began = time.time()
        with contextlib.redirect_stdout(io.StringIO()):
            train.run(params, workspace)
            evaluate.run(params, workspace)
        metrics = record_trial(root, workspace, params, overrides, sweep=folder.parent.name, began=began)
    except DahliaError as error:
        return Trial(overrides, _FAILED, None, str(error))
    figure = FIGURES[params.kind]
    if figure not in metrics:
        return Trial(
            overrides,
            _FAILED,
            None,
            f"The held-out figure `{figure}` is not defined: no tag is on some photos and missing on others; "
            "for a detector, no tag has a box. Tag more photos, then run `dvc repro`.",
        )
    return Trial(overrides, metrics[figure], metrics.get("nll"))


def _check_task(root: Path, params: Params) -> None:
    """Refuse a domain of another task: the photos were validated and divided for that of the project."""
    own, asked = task_of(root), params.domain.task
    if asked != own:
        raise ConfigError(
            f"Expected a domain of {own}, of which photos and folds are here, received "
            f"{params.domain.name} of {asked}. Choose another with `domain=` (`dahlia domains`), or change "
            "the project with `dahlia params domain=...` and run `dvc repro`."
        )


def _workspace(root: Path, folder: Path) -> Path:
    """A folder in which stages find the project's photos and folds, and where they write."""
    workspace = root / folder
    workspace.mkdir(parents=True, exist_ok=True)
    (workspace / "data").symlink_to(root / "data")
    return workspace


def _told(trial: Trial) -> str:
    if trial.problem:
        return f"failed. {trial.problem}"
    loss = "not defined" if trial.loss is None else f"{trial.loss:.3f}"
    return f"score {trial.score:.3f}, log loss {loss}"
