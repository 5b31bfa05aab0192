"""The one place that makes Lightning trainers: as `trainer` in the parameters says, and silent."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Checkpoint, ModelSummary, ProgressBar

from dahlia.errors import ConfigError
from dahlia.params import TrainerParams
from dahlia.targets import CALLBACK, LOGGER, TARGET, TRAINER, named_class
from dahlia.training.hardware import precision

_NOISE = (
    r".*configure_optimizers` returned `None`.*",
    r".*module\(s\) in eval mode at the start of training.*",
    r".*does not have many workers.*",
    r".*`isinstance\(treespec, LeafSpec\)` is deprecated.*",
    r".*does not have a deterministic implementation.*",
    r".*Starting from v1\.9\.0, `tensorboardX` has been removed.*",
)


def make_trainer(
    settings: TrainerParams,
    *,
    devices: int = 1,
    callbacks: Sequence[pl.Callback] = (),
    watched: bool = True,
    **options: Any,
) -> pl.Trainer:
    """A Lightning trainer, without chatter and without checkpoints of its own.

    A progress bar is shown when the output is a terminal. Ctrl-C is `KeyboardInterrupt`, as elsewhere.

    Args:
        settings: accelerator, strategy, precision, loggers and further callbacks.
        devices: how many; `settings` only say how many there may be.
        callbacks: the caller's.
        watched: whether the loggers and callbacks of `settings` are taken.
        options: Lightning's own; they win over `settings`.

    Raises:
        ConfigError: Lightning refuses the settings, or a logger or callback cannot be made.
    """
    for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in _NOISE:
        warnings.filterwarnings("ignore", message=message)
    added = _made(settings.callbacks, CALLBACK, "trainer.callbacks") if watched else []
    loggers = _made(settings.logger, LOGGER, "trainer.logger") if watched else []
    defaults: dict[str, Any] = {
        "accelerator": settings.accelerator,
        "devices": devices,
        "strategy": settings.strategy if devices > 1 else "auto",
        "precision": precision(settings),
        "logger": loggers or False,
        "log_every_n_steps": 1,  # runs are short
        "enable_checkpointing": _one_is(added, Checkpoint),
        "enable_model_summary": _one_is(added, ModelSummary),
        "enable_progress_bar": sys.stderr.isatty() or _one_is(added, ProgressBar),
    }
    kind = pl.Trainer if settings.target == TRAINER else named_class(settings.target, TRAINER, "trainer")
    with translated_refusals():
        trainer: pl.Trainer = kind(**defaults | options, callbacks=[*callbacks, *added, _PassOnInterrupt()])
    return trainer


@contextmanager
def translated_refusals() -> Iterator[None]:
    """Turn Lightning's refusal of settings, when a trainer is made or started, into a ConfigError."""
    try:
        yield
    except MisconfigurationException as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"Lightning refused the settings of `trainer`: {reason.rstrip('.')}. Choose others, such as "
            "`dahlia params trainer=default`."
        ) from error


def _made(targets: Mapping[str, Mapping[str, Any]], base: str, section: str) -> list[Any]:
    return [_make(values, base, f"{section}.{name}") for name, values in targets.items()]


def _make(values: Mapping[str, Any], base: str, key: str) -> Any:
    named_class(values[TARGET], base, key)
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    try:
        return instantiate(dict(values), _recursive_=False, _convert_="all")
    except InstantiationException as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ConfigError(
            f"`{key}`: {values[TARGET]} refused its arguments: {reason}. Correct them in conf/, then run "
            "`dahlia params`."
        ) from error


def _one_is(callbacks: Sequence[pl.Callback], kind: type[pl.Callback]) -> bool:
    return any(isinstance(callback, kind) for callback in callbacks)


class _PassOnInterrupt(pl.Callback):
    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        # Lightning would end the process itself, with code 1 and without a word.
        if isinstance(exception, KeyboardInterrupt):
            raise exception
