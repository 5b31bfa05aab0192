"""Memory that a process has freed, given back to the system."""

from __future__ import annotations

import ctypes
import sys


def return_freed_memory() -> None:
    """Ask the C library to let go of what it keeps for later.

    glibc keeps what models took, between what still is in use: of ten models given up, nothing came back
    without this, and all of it with it. Loading one leaves as much behind as its file is large.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
