"""TensorFlow itself, quiet and without types: its own are not fit to check against."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dahlia.imports import quick_imports


def _load() -> Any:
    # Read once, when the library starts; who wants its notes sets them. Without oneDNN the same file gives
    # the same numbers on every processor, and the library does not announce it on every start.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    with quick_imports(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if importlib.util.find_spec("triton"):
            # Torch's compiler brings a compiler library that crashes when TensorFlow's is there before it.
            importlib.import_module("triton")
        module = importlib.import_module("tensorflow")
        notes = importlib.import_module("absl.logging")
    notes.set_verbosity(notes.ERROR)
    module.get_logger().setLevel("ERROR")
    return module


tf: Any = _load()


@contextmanager
def silence() -> Iterator[None]:
    """Let nothing be written to the standard error: LiteRT's own remarks go there, past every setting."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
