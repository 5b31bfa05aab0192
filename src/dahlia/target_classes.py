"""Lightning's classes that parameters may name by `_target_`, and the arguments that each may have.

What these classes write lies below a folder in the project; none calls or imports what an argument names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    TypeAdapter,
    ValidationError,
)

from dahlia.masking import shown

TRAINER = "lightning.pytorch.Trainer"
MLFLOW = "lightning.pytorch.loggers.MLFlowLogger"

_IN_PROJECT = re.compile(r"[\w .=-]+(/[\w .=-]+)*/?")
_SQLITE = "sqlite:///"
_CHECKPOINTS = "checkpoints"
_LIGHTNINGS_OWN = (_CHECKPOINTS, "lightning_logs", "mlruns")  # where no folder is named
_MODES = Literal["min", "max"]


def in_project(path: str) -> str:
    """A path below the project by its text, as it is; links are the caller's to follow.

    Raises:
        ValueError: it is absolute, leads upwards, or has characters that some library reads as an address.
    """
    if not _IN_PROJECT.fullmatch(path) or ".." in path.split("/"):
        raise ValueError(
            "expected a relative path below the project, of letters, digits, spaces and `_ . = - /`"
        )
    return path


def store_path(uri: str) -> str | None:
    """The path of a store of MLflow in the project, `sqlite:///PATH`; None for all others."""
    try:
        return in_project(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None
    except ValueError:
        return None


def _name(text: str) -> str:
    if text and "/" in in_project(text):
        raise ValueError("expected the name of a folder")
    return text


_Folder = Annotated[str, AfterValidator(in_project)]
_Name = Annotated[str, AfterValidator(_name)]
_LOGGERS: Mapping[str, Mapping[str, Any]] = {
    "CSVLogger": {
        "save_dir": _Folder,
        "name": _Name | None,
        "prefix": str,
        "flush_logs_every_n_steps": PositiveInt,
    },
    "TensorBoardLogger": {
        "save_dir": _Folder,
        "name": _Name | None,
        "prefix": str,
        "default_hp_metric": bool,
    },
    "MLFlowLogger": {
        "experiment_name": str,
        "run_name": str | None,
        "tracking_uri": str | None,  # see `targets`: which ones depends on the machine
        "tags": dict[str, str] | None,
        "prefix": str,
        "synchronous": bool | None,
    },
}
PACKAGES = {"lightning.pytorch.loggers.TensorBoardLogger": ("tensorboard", "tensorboardX")}
"""The packages, of which one is enough, that a class needs and Dahlia does not install."""

_CALLBACKS: Mapping[str, Mapping[str, Any]] = {
    "DeviceStatsMonitor": {"cpu_stats": bool | None},
    "EarlyStopping": {
        "monitor": str,
        "min_delta": float,
        "patience": NonNegativeInt,
        "verbose": bool,
        "mode": _MODES,
        "strict": bool,
        "check_finite": bool,
        "stopping_threshold": float | None,
        "divergence_threshold": float | None,
    },
    "LearningRateMonitor": {
        "logging_interval": Literal["step", "epoch"] | None,
        "log_momentum": bool,
        "log_weight_decay": bool,
    },
    "ModelCheckpoint": {
        "dirpath": _Folder,
        "monitor": str | None,
        "mode": _MODES,
        "verbose": bool,
        "save_last": bool | None,
        "save_top_k": Annotated[int, Field(ge=-1)],
        "save_weights_only": bool,
        "every_n_train_steps": PositiveInt | None,
        "every_n_epochs": PositiveInt | None,
    },
    "ModelSummary": {"max_depth": Annotated[int, Field(ge=-1)]},
    "RichModelSummary": {"max_depth": Annotated[int, Field(ge=-1)]},
    "RichProgressBar": {"refresh_rate": NonNegativeInt, "leave": bool},
    "TQDMProgressBar": {"refresh_rate": NonNegativeInt, "leave": bool},
    "Timer": {
        "duration": Annotated[str, Field(pattern=r"^\d+:\d\d:\d\d:\d\d$")] | None,
        "interval": Literal["step", "epoch"],
        "verbose": bool,
    },
}
CLASSES: Mapping[str, Mapping[str, Any]] = {
    TRAINER: {},
    **{f"lightning.pytorch.loggers.{name}": arguments for name, arguments in _LOGGERS.items()},
    **{f"lightning.pytorch.callbacks.{name}": arguments for name, arguments in _CALLBACKS.items()},
}
"""The kind of each argument, by the class's name and the argument's."""


def check_arguments(name: str, arguments: Mapping[str, object]) -> None:
    """Check the arguments of one of `CLASSES`.

    Raises:
        ValueError: one is not known, or its value cannot be used.
    """
    known = CLASSES[name]
    for key, value in arguments.items():
        if key not in known:
            raise ValueError(f"unknown argument `{key}` of {name}; known: {', '.join(known)}")
        try:
            TypeAdapter(known[key], config=ConfigDict(strict=True)).validate_python(value)
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ValueError(f"`{key}` cannot be {shown(value, key)}: {reason}") from None


def places(arguments: Mapping[str, Any], root: Path) -> list[str]:
    """The paths below the project where a class with these checked arguments may write."""
    folder = arguments.get("save_dir") or arguments.get("dirpath") or "."
    named = arguments.get("name", "lightning_logs") or "."
    store = store_path(arguments.get("tracking_uri") or "") or "."
    kept = arguments.get("dirpath") or _CHECKPOINTS
    # Names of checkpoints repeat, so a link there would be written through; folders of runs are always new.
    links = [f"{kept}/{path.name}" for path in (root / kept).glob("*") if path.is_symlink()]
    return [folder, f"{folder}/{named}", store, *links, *_LIGHTNINGS_OWN]
