"""Importing large libraries quickly."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
