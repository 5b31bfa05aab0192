"""Classes that parameters name by `_target_`: which may be named.

`params.yaml` may come with somebody else's project, so it names only classes of Lightning and Dahlia: a name
outside these packages is refused before it is imported, and a class of another kind before it is called.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dahlia.errors import ConfigError

if TYPE_CHECKING:
    from dahlia.params import TrainerParams

TARGET = "_target_"
TRAINER = "lightning.pytorch.Trainer"
LOGGER = "lightning.pytorch.loggers.Logger"
CALLBACK = "lightning.pytorch.Callback"
PACKAGES = ("lightning", "dahlia")

_NAME = re.compile(rf"({'|'.join(PACKAGES)})(\.[A-Za-z]\w*)+")


def checked_name(name: str) -> str:
    """A name that may be imported, as it is.

    Raises:
        ValueError: it is of no package that may be named, or of a private part of one.
    """
    if not _NAME.fullmatch(name):
        allowed = " or ".join(f"`{package}.`" for package in PACKAGES)
        raise ValueError(
            f"expected the public name of a class in {allowed}, such as lightning.pytorch.loggers.CSVLogger; "
            "no other code is run for a project"
        )
    return name


def checked_target(values: dict[str, Any]) -> dict[str, Any]:
    """A mapping with `_target_` and plain arguments, as it is.

    Raises:
        ValueError: `_target_` is missing or may not be imported, or an argument is for Hydra itself.
    """
    name = values.get(TARGET)
    if not isinstance(name, str):
        raise ValueError(
            f"expected the name of a class under `{TARGET}`, such as lightning.pytorch.loggers.CSVLogger, "
            "and its arguments beside it"
        )
    checked_name(name)
    hidden = sorted(key for key in _keys({**values, TARGET: None}) if key.startswith("_") and key != TARGET)
    nested = any(TARGET in _keys(value) for value in values.values())
    if hidden or nested:
        raise ValueError(
            f"expected plain arguments, received `{hidden[0] if hidden else TARGET}` among them; a class "
            "here takes numbers, texts, lists and mappings"
        )
    return values


def named_class(name: str, base: str, key: str) -> type[Any]:
    """The class with this name.

    Args:
        name: its module and its own name.
        base: the name of the class that it must be or extend.
        key: the parameter, for messages.

    Raises:
        ConfigError: it may not be imported, is not there, or is of another kind.
    """
    try:
        checked_name(name)
    except ValueError as error:
        raise ConfigError(f"`{key}.{TARGET}` cannot be {name!r}: {error}.") from None
    expected, found = _imported(base, key, name), _imported(name, key, name)
    if not (isinstance(found, type) and issubclass(found, expected)):
        raise ConfigError(
            f"`{key}.{TARGET}` cannot be {name!r}: expected a class that extends {base}. Correct the name."
        )
    return found


def check_targets(settings: TrainerParams) -> None:
    """Import the classes that are named, so that a wrong name is refused before anything is trained.

    Raises:
        ConfigError: one is not there or of the wrong kind.
    """
    if settings.target != TRAINER:
        named_class(settings.target, TRAINER, "trainer")
    for name, values in settings.logger.items():
        named_class(values[TARGET], LOGGER, f"trainer.logger.{name}")
    for name, values in settings.callbacks.items():
        named_class(values[TARGET], CALLBACK, f"trainer.callbacks.{name}")


def _imported(name: str, key: str, named: str) -> Any:
    module, _, last = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), last)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"`{key}.{TARGET}` cannot be {named!r}: {error}. Correct the name, or install what it needs."
        ) from error


def _keys(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [str(key) for key in value] + [key for inner in value.values() for key in _keys(inner)]
    return [key for inner in value for key in _keys(inner)] if isinstance(value, list) else []
