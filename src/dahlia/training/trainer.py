"""Lightning as Dahlia uses it: silent trainers, as `trainer` in the parameters says, and checkpoints.

All trainers are made here. What the parameters say `auto` of is chosen here: devices and precision.
Checkpoints are safetensors: tensors as they are, everything else as JSON in the header.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Checkpoint, ModelSummary, ProgressBar
from safetensors import SafetensorError, safe_open

from dahlia.errors import ConfigError, TrainingError
from dahlia.files import staged_file
from dahlia.modeling.tensors import write_safetensors
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


_HEADER = "state"
_TENSOR, _PAIRS, _TUPLE = "tensor", "dict", "tuple"


class SafetensorsCheckpoints(CheckpointIO):
    """Writes a checkpoint whole or not at all, and reads it without pickle.

    A checkpoint may hold tensors, and dicts, lists and tuples of numbers, texts, booleans and None.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `checkpoint` to the file `path`.

        Raises:
            TrainingError: it holds something that cannot be kept.
            DahliaError: the file cannot be written.
        """
        tensors: dict[str, torch.Tensor] = {}
        state = json.dumps(_packed(checkpoint, tensors))
        with staged_file(Path(path)) as staged:
            write_safetensors(staged, tensors, {_HEADER: state})

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read what `save_checkpoint` wrote.

        Raises:
            TrainingError: the file is missing or damaged.
        """
        try:
            with safe_open(str(path), "pt") as file:
                state = json.loads(file.metadata()[_HEADER])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            unpacked: dict[str, Any] = _unpacked(state, tensors)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise TrainingError(
                f"The checkpoint {path} cannot be read ({error}). Delete it, and training starts again."
            ) from error
        return unpacked

    def remove_checkpoint(self, path: Any) -> None:
        """Delete the file, if it is there."""
        Path(path).unlink(missing_ok=True)


def _packed(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        # Tensors that share memory, as tied weights do, cannot lie in one file.
        kept = value.detach().cpu().clone()
        tensors[name] = kept.contiguous()
        # Another layout may mean another kernel, whose sums differ in the last bit.
        strides = None if kept.stride() == torch.empty(kept.shape, device="meta").stride() else kept.stride()
        return {_TENSOR: [name, strides]}
    if isinstance(value, dict):
        return {_PAIRS: [[_packed(key, tensors), _packed(item, tensors)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {_TUPLE: [_packed(item, tensors) for item in value]}
    if isinstance(value, list):
        return [_packed(item, tensors) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TrainingError(
        f"A checkpoint may hold tensors, numbers and texts, received {type(value).__name__}. Keep it out of "
        "the state."
    )


def _unpacked(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == _TENSOR:
        name, strides = content
        tensor = tensors[name]
        return tensor if strides is None else _laid_out(tensor, strides)
    if kind == _TUPLE:
        return tuple(_unpacked(item, tensors) for item in content)
    return {_unpacked(key, tensors): _unpacked(item, tensors) for key, item in content}


def _laid_out(tensor: torch.Tensor, strides: list[int]) -> torch.Tensor:
    expected = 1
    for stride, edge in sorted(zip(strides, tensor.shape, strict=True)):
        if edge > 1 and stride != expected:
            raise ValueError(f"strides {strides} do not fit the shape {list(tensor.shape)}")
        expected *= edge
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)
