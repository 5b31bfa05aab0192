"""The one place that makes Lightning trainers: as `trainer` in the parameters says, and silent.

What it says `auto` of is chosen here: devices and precision.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Checkpoint, ModelSummary, ProgressBar

from dahlia.errors import ConfigError
from dahlia.params import TrainerParams
from dahlia.target_classes import TRAINER
from dahlia.targets import CALLBACK, LOGGER, TARGET, arguments_of, named_class

_SEVERAL_PAY_FROM = 60.0  # starting processes and loading photos into each takes 10 to 20 s per run
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
        options: Lightning's own; they win over `settings`, whose loggers are not made where `logger` is here.

    Raises:
        ConfigError: Lightning refuses the settings, or a logger or callback cannot be made.
    """
    for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in _NOISE:
        warnings.filterwarnings("ignore", message=message)
    added = _made(settings.callbacks, CALLBACK, "trainer.callbacks") if watched else []
    loggers = _made(settings.logger, LOGGER, "trainer.logger") if watched and "logger" not in options else []
    defaults: dict[str, Any] = {
        "accelerator": settings.accelerator,
        "devices": devices,
        "strategy": settings.strategy if devices > 1 else "auto",
        "precision": precision(settings),
        "logger": loggers or False,
        **({"log_every_n_steps": 1} if loggers else {}),  # runs are short
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
    kind, arguments = named_class(values[TARGET], base, key), arguments_of(values, key, Path())
    try:
        return kind(**arguments)
    except Exception as error:  # of a class that is not ours
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
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


def uses_gpu(settings: TrainerParams) -> bool:
    """Whether these trainers run on a GPU of CUDA."""
    return settings.accelerator in ("auto", "gpu") and torch.cuda.is_available()


def precision(settings: TrainerParams) -> str:
    """Lightning's name of it; `auto` is bfloat16 where a GPU computes it natively, else float32.

    CPUs with bfloat16 instructions stay with float32: on one with AVX512-BF16 a step of
    mobilenetv4_conv_small at 160 px took 3 to 5 times as long in bfloat16.
    """
    if settings.precision != "auto":
        return settings.precision
    native = uses_gpu(settings) and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if native else "32-true"


def narrowed_inference(device: torch.device) -> torch.autocast:
    """A context in which convolutions without gradients run in bfloat16, where the device multiplies it.

    On a CPU with AVX512-BF16 the forward pass of MobileNet 1.0 takes 0.45 of its time in float32; training
    does not gain (see `precision`).
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.autocast(device.type, torch.bfloat16, enabled=native)


def devices_for(settings: TrainerParams, seconds_per_run: float) -> int:
    """`auto` is all GPUs where one needs more than a minute for a run, else one device."""
    if settings.devices != "auto":
        return settings.devices
    several = uses_gpu(settings) and seconds_per_run > _SEVERAL_PAY_FROM
    return max(1, torch.cuda.device_count()) if several else 1


def fit_options(settings: TrainerParams, devices: int) -> dict[str, Any]:
    """Options of fine-tuning's trainers. Several devices are one process each, started for the fit alone."""
    spawned = devices > 1 and settings.strategy == "auto"
    return {
        "devices": devices,
        **({"strategy": "ddp_spawn"} if spawned else {}),
        # CPU kernels repeat themselves as they are; on a GPU it takes the slower ones.
        "deterministic": "warn" if uses_gpu(settings) else False,
        "use_distributed_sampler": False,
    }


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory of a GPU or of the machine was refused."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "can't allocate memory" in text or "outofmemoryerror" in text or "cuda out of memory" in text
    )
