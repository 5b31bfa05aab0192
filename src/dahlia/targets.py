"""Classes that parameters name by `_target_`: which may be named, and with what.

`params.yaml` may come with somebody else's project. So it names only the classes of `dahlia.target_classes`,
and others only where this machine's environment trusts them; a name is checked before it is imported, and
arguments before a class is called. Nothing in them is interpolated.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dahlia.errors import ConfigError
from dahlia.masking import shown, without_secrets
from dahlia.target_classes import CLASSES, MLFLOW, PACKAGES, TRAINER, check_arguments, places, store_path

if TYPE_CHECKING:
    from dahlia.params import TrainerParams

TARGET = "_target_"
LOGGER = "lightning.pytorch.loggers.Logger"
CALLBACK = "lightning.pytorch.Callback"
TRUSTED = "DAHLIA_TRAINER_CLASSES"
TRACKING_URI = "DAHLIA_TRACKING_URI"

_NAME = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)+", re.ASCII)
_EXAMPLE = "lightning.pytorch.loggers.CSVLogger"
_DEEPEST = 4
_QUIET_MLFLOW = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "ERROR"}


def checked_name(name: str) -> str:
    """A name that may be imported, as it is.

    Raises:
        ValueError: it is neither one of `CLASSES` nor trusted by the environment.
    """
    if name not in CLASSES and not _is_trusted(name):
        near = difflib.get_close_matches(name, CLASSES, n=1, cutoff=0.8) or [_EXAMPLE]
        raise ValueError(
            f"expected a class that docs/training.md lists, such as {near[0]}, or one that {TRUSTED} in the "
            "environment of this machine trusts; no other code is run for a project"
        )
    return name


def checked_target(values: dict[str, Any]) -> dict[str, Any]:
    """A mapping with `_target_` and plain arguments, as it is.

    Raises:
        ValueError: `_target_` is missing or may not be imported, or an argument cannot be used.
    """
    name = values.get(TARGET)
    if not isinstance(name, str):
        raise ValueError(
            f"expected the name of a class under `{TARGET}`, such as {_EXAMPLE}, and its arguments beside it"
        )
    checked_name(name)
    arguments = {key: value for key, value in values.items() if key != TARGET}
    for key, value in arguments.items():
        _check_plain({key: value}, _DEEPEST, is_address=(name, key) == (MLFLOW, "tracking_uri"))
    if not _is_trusted(name):
        check_arguments(name, arguments)
    return values


def named_class(name: str, base: str, key: str) -> type[Any]:
    """The class with this name.

    Args:
        name: its module and its own name.
        base: the name of the class that it must be or extend.
        key: the parameter, for messages.

    Raises:
        ConfigError: it may not be imported, is not there, needs a package that is not, or is of another kind.
    """
    try:
        checked_name(name)
    except ValueError as error:
        raise ConfigError(f"`{key}.{TARGET}` cannot be {shown(name)}: {error}.") from None
    needed = PACKAGES.get(name, ())
    if needed and not any(map(importlib.util.find_spec, needed)):
        raise ConfigError(
            f"`{key}.{TARGET}`: {name} needs the package {needed[0]}, which is not installed. Run "
            f"`pip install {needed[0]}`."
        )
    expected, found = _imported(base, key, name), _imported(name, key, name)
    if not (isinstance(found, type) and issubclass(found, expected)):
        raise ConfigError(
            f"`{key}.{TARGET}` cannot be {name!r}: expected a class that extends {base}. Correct the name."
        )
    return found


def arguments_of(values: Mapping[str, Any], key: str, root: Path) -> dict[str, Any]:
    """The arguments of a class that is named, checked where they are used.

    `DAHLIA_TRACKING_URI`, where iterations are recorded, is also where MLflow's logger writes.

    Args:
        values: `_target_` and the arguments.
        key: the parameter, for messages.
        root: the project folder, which links must not leave.

    Raises:
        ConfigError: one cannot be used, or names a place that the project must not choose.
    """
    try:
        arguments = dict(checked_target(dict(values)))
    except ValueError as error:
        raise ConfigError(f"`{key}`: {error}. Correct it in conf/, then run `dahlia params`.") from None
    name = arguments.pop(TARGET)
    if name == MLFLOW:
        arguments |= _store(arguments.get("tracking_uri"), key)
    if not _is_trusted(name):
        for path in places(arguments, root):
            if not (root / path).resolve().is_relative_to(root.resolve()):
                raise ConfigError(
                    f"`{key}`: {path} leads out of the project through a link. Name another folder."
                )
    return arguments


def check_targets(settings: TrainerParams, root: Path) -> None:
    """Import the classes that are named, so that a wrong name is refused before anything is trained.

    Raises:
        ConfigError: one is not there or of the wrong kind, or an argument cannot be used.
    """
    if settings.target != TRAINER:
        named_class(settings.target, TRAINER, "trainer")
    for section, base in (("logger", LOGGER), ("callbacks", CALLBACK)):
        for name, values in getattr(settings, section).items():
            named_class(values[TARGET], base, f"trainer.{section}.{name}")
            arguments_of(values, f"trainer.{section}.{name}", root)


def _is_trusted(name: str) -> bool:
    entries = [entry.strip() for entry in os.environ.get(TRUSTED, "").split(",")]
    return bool(_NAME.fullmatch(name)) and any(
        entry and (name == entry or name.startswith(f"{entry}.")) for entry in entries
    )


def _store(uri: str | None, key: str) -> dict[str, str]:
    ours = os.environ.get(TRACKING_URI)
    if ours or not uri:
        return {"tracking_uri": ours} if ours else {}
    # To any other, MLflow's client would send the token in MLFLOW_TRACKING_TOKEN.
    if store_path(uri) is None and uri != os.environ.get("MLFLOW_TRACKING_URI"):
        raise ConfigError(
            f"`{key}.tracking_uri` is not in the project: expected sqlite:///FILE with a relative "
            f"path. For any other store set {TRACKING_URI}, which parameters cannot change."
        )
    return {"tracking_uri": uri}


def _check_plain(value: object, depth: int, key: str = "", *, is_address: bool = False) -> None:
    if isinstance(value, dict) and depth:
        for inner_key, inner in value.items():
            if not isinstance(inner_key, str) or inner_key.startswith("_"):
                raise _not_plain(inner_key)
            _check_plain(inner, depth - 1, inner_key, is_address=is_address)
    elif isinstance(value, list) and depth:
        for inner in value:
            _check_plain(inner, depth - 1, key)
    elif isinstance(value, str):
        if "${" in value or (not is_address and ("://" in value or "::" in value)):
            raise _not_plain(value, key)
    elif value is not None and not isinstance(value, int | float):
        raise _not_plain(value, key)


def _not_plain(found: object, key: str = "") -> ValueError:
    return ValueError(
        f"expected plain arguments, received `{without_secrets(found, key)}` among them; a class here takes "
        "numbers, texts, lists and mappings, without addresses and interpolations"
    )


def _imported(name: str, key: str, named: str) -> Any:
    module, _, last = name.rpartition(".")
    for variable, value in _QUIET_MLFLOW.items():  # MLflow reads them when a logger imports it
        os.environ.setdefault(variable, value)
    try:
        return getattr(importlib.import_module(module), last)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"`{key}.{TARGET}` cannot be {named!r}: {error}. Correct the name, or install what it needs."
        ) from error
