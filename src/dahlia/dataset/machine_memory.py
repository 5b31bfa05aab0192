"""The memory of this machine, or of the container in which the process runs, and how it is given back."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_M_MMAP_THRESHOLD = -3  # of malloc.h
_LARGE = 8 * 1024 * 1024
_MINE = Path("/proc/self/cgroup")


def machine_memory(cgroups: Path = _CGROUPS, mine: Path = _MINE) -> int:
    """Bytes of memory that the process may use: the machine's, or the least that a control group allows.

    Args:
        cgroups: where control groups are mounted, version 1 or 2.
        mine: names the groups of the process.
    """
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = (_number(path) for path in _limits(cgroups, mine))
    return min([physical, *(limit for limit in limits if limit)])


def return_large_blocks() -> None:
    """Let large blocks go back to the system as soon as they are freed.

    glibc otherwise keeps those of up to 32 MB for each thread: of 24 images of 5120 x 5120 pixels in eight
    threads, allowed 320 MB, 650 MB stayed. A process that trains is faster with what it keeps.
    """
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if adjust is not None:
        adjust(_M_MMAP_THRESHOLD, _LARGE)


def _limits(cgroups: Path, mine: Path) -> Iterator[Path]:
    for controllers, group in _groups(mine):
        if controllers == "":
            base, name = cgroups, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = cgroups / "memory", "memory.limit_in_bytes"
        else:
            continue
        # In a container its own group is the root of what is mounted, whatever it is called outside.
        place = base / group.strip("/")
        for folder in (place, *place.parents):
            yield folder / name
            if folder == base:
                break


def _groups(mine: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = mine.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        yield controllers, group


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # "max", which is no limit, is no number
        return None
