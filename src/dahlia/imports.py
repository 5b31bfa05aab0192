"""Imports: what the optional parts of an installation need, and how large libraries load quickly."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType

from dahlia.errors import ConfigError, DahliaError

EXTRAS: dict[str, tuple[str, ...]] = {
    "coreml": ("coremltools",),
    "tensorflow": ("tensorflow", "flatbuffers"),
    "openvino": ("openvino",),
    "s3": ("s3fs",),
    "postgres": ("psycopg",),
    "optuna": ("hydra_plugins.hydra_optuna_sweeper",),
}
"""The extras of `pyproject.toml`, and the modules that show whether one is installed."""

_REPORTS = "openvino_telemetry"
_OF_FORMATS = {
    "coreml": "coreml",
    "tensorflow": "tensorflow",
    "litert": "tensorflow",
    "tfjs": "tensorflow",
    "openvino": "openvino",
}


def extra_of_format(name: str) -> str | None:
    """The extra that writes an export format, such as `litert-int8`; None where none is needed."""
    return _OF_FORMATS.get(name.partition("-")[0])


def require_formats(names: Iterable[str], error: type[DahliaError] = ConfigError) -> None:
    """Refuse export formats whose libraries are not installed.

    Raises:
        DahliaError: of the kind `error`; it names the formats and the command that installs the extras.
    """
    needed = {name: extra for name in names if (extra := extra_of_format(name))}
    missing = {name: extra for name, extra in needed.items() if not is_installed(extra)}
    if missing:
        raise error(_refusal(f"The export of {', '.join(missing)}", missing.values()))


def require_extra(extra: str, purpose: str, error: type[DahliaError] = ConfigError) -> None:
    """Refuse what needs an extra that is not installed.

    Args:
        extra: a key of `EXTRAS`.
        purpose: what needs it, as the subject of a sentence.
        error: the kind to raise.

    Raises:
        DahliaError: of the kind `error`; it names the command that installs the extra.
    """
    if not is_installed(extra):
        raise error(_refusal(purpose, [extra]))


def is_installed(extra: str) -> bool:
    """Whether the modules of an extra can be found; nothing is imported but the packages around them."""
    return all(is_there(module) for module in EXTRAS[extra])


def is_there(module: str) -> bool:
    """Whether a module can be found; nothing is imported but the packages around it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def _refusal(purpose: str, extras: Iterable[str]) -> str:
    names = sorted(set(extras))
    needed = ", ".join(module.partition(".")[0] for name in names for module in EXTRAS[name])
    return (
        f"{purpose} needs packages that are not installed ({needed}). Install them with: "
        f"pip install 'dahlia[{','.join(names)}]'"
    )


def load_openvino() -> ModuleType:
    """OpenVINO, without the usage statistics that it sends.

    Importing it sends them, unless the package that does so is absent.

    Raises:
        ImportError: it is not installed.
    """
    absent = _REPORTS not in sys.modules
    if absent:
        sys.modules[_REPORTS] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("openvino")
    finally:
        if absent:
            del sys.modules[_REPORTS]


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import without garbage collection: torch, timm and Lightning together take a fifth less time.

    Modules make many objects and no garbage, so every collection while they load is in vain. What they
    made is then left out of later collections.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if enabled:
            gc.enable()
