"""coremltools itself, quiet, and without the frameworks that it looks for and that are not needed here."""

from __future__ import annotations

import importlib
import logging
import sys
import types
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dahlia.imports import quick_imports

# It imports whatever it could convert from; of that, only torch is used here. TensorFlow alone takes seconds,
# and crashes where torch's compiler comes after it.
_NOT_NEEDED = (
    "executorch",
    "libsvm",
    "sklearn",
    "tensorflow",
    "torchao",
    "torchaudio",
    "transformers",
    "xgboost",
)
_WITH_BARS = {
    "coremltools.converters.mil.backend.nn.op_mapping": "_tqdm",
    "coremltools.converters.mil.frontend.torch.ops": "_tqdm",
    "coremltools.converters.mil.mil.passes.pass_pipeline": "tqdm",
}


def _load() -> Any:
    # It warns of every library that is newer than itself, and, away from macOS, that nothing can be run.
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    with quick_imports(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _hidden(_NOT_NEEDED):
            module = importlib.import_module("coremltools")
        for name, bar in _WITH_BARS.items():
            setattr(importlib.import_module(name), bar, _without_bar)
    return module


@contextmanager
def _hidden(names: Iterable[str]) -> Iterator[None]:
    missing: list[str] = []
    before: dict[str, types.ModuleType] = {}
    for name in names:
        if name in sys.modules:
            before[name] = sys.modules[name]
        else:
            missing.append(name)
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.update(before)
        for name in missing:
            del sys.modules[name]


def _without_bar(items: Iterable[Any], **_: object) -> Iterable[Any]:
    return items


ct: Any = _load()
