"""Memory for decoding images: many small ones at a time, or few large ones, in the order in which they come.

All of a process's decoding goes through `MEMORY`, so that no batch of large images takes more than is
allowed: by default a quarter of what the machine, or the container, has. A server divides that among its
processes. `return_large_blocks` gives back what decoding has freed.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dahlia.errors import ConfigError, DahliaError, ImageError

VARIABLE = "DAHLIA_DECODE_MEMORY"
MEGABYTE = 1024 * 1024
PATIENCE = 20.0  # seconds for which a server's requests wait
SHARE = 4  # of the machine's memory, the part for decoding where nothing else is said
_CGROUPS = Path("/sys/fs/cgroup")
_M_MMAP_THRESHOLD = -3  # of malloc.h
_LARGE = 8 * 1024 * 1024
_MINE = Path("/proc/self/cgroup")


class DecodingBusy(DahliaError):  # noqa: N818
    """Images under way take all the memory that decoding may have."""


def allowed_memory(megabytes: int = 0) -> int:
    """Bytes that decoding may take in a program with all its processes.

    Args:
        megabytes: that somebody set; 0 for `DAHLIA_DECODE_MEMORY`, or else a quarter of the machine's memory.

    Raises:
        ConfigError: the variable is no whole number of at least 0.
    """
    text = os.environ.get(VARIABLE, "").strip() or "0"
    if not text.removeprefix("+").replace("_", "").isdecimal():
        raise ConfigError(
            f"{VARIABLE} must be a whole number of megabytes, received {text!r}. Set or unset it."
        )
    chosen = megabytes or int(text)
    return chosen * MEGABYTE if chosen else machine_memory() // SHARE


class DecodingMemory:
    """Lets threads decode as long as their needs fit together, the first that came first.

    One that is larger than all there is goes alone, unless `limit` says how long to wait: then it is refused.

    Args:
        total: bytes; what `allowed_memory` says where it is left out.
    """

    def __init__(self, total: int | None = None) -> None:
        self._total = total
        self._patience: float | None = None
        self._reset()

    @property
    def total(self) -> int:
        """Bytes that may be held at once."""
        if self._total is None:
            self._total = allowed_memory()
        return self._total

    def limit(self, total: int, patience: float | None = None) -> None:
        """Allow so much from now on.

        Args:
            total: bytes.
            patience: seconds after which who waits is sent away, where a process serves; None for ever.
        """
        self._total, self._patience = total, patience
        if patience is not None:
            return_large_blocks()

    @contextmanager
    def hold(self, need: int) -> Iterator[None]:
        """Wait until `need` bytes are free and no earlier caller waits, and hold them.

        Raises:
            ImageError: they never will be; with the code `decompression-bomb`.
            DecodingBusy: they are not free in time.
        """
        if self._patience is not None and need > self.total:
            raise _too_large(need, self.total)
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                if not self._changed.wait_for(lambda: self._may_enter(ticket, need), self._patience):
                    raise _busy(self.total)
                self._used += need
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._used -= need
                self._changed.notify_all()

    def _may_enter(self, ticket: object, need: int) -> bool:
        return self._waiting[0] is ticket and (not self._used or self._used + need <= self.total)

    def _reset(self) -> None:
        self._used = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()


MEMORY = DecodingMemory()
"""That of this process."""

# A process that is forked while others decode must not wait for threads that it does not have.
os.register_at_fork(after_in_child=MEMORY._reset)


def share_among(processes: int, _: int = 0) -> None:
    """Allow this process its part of what its parent was allowed.

    Args:
        processes: that decode at once, this among them.
        _: which of them it is, as a loader says.
    """
    MEMORY.limit(max(1, MEMORY.total // processes))


def _too_large(need: int, total: int) -> ImageError:
    return ImageError(
        expected=f"an image that is decoded in at most {total // MEGABYTE:,} MB of memory",
        received=f"one that takes {-(-need // MEGABYTE):,}",
        next="Scale it down, or save it as a JPEG that is not progressive; the server's operator may allow "
        "more.",
        code="decompression-bomb",
    )


def _busy(total: int) -> DecodingBusy:
    return DecodingBusy(
        f"Images that are being decoded take all of the {total // MEGABYTE:,} MB that they may have. Nothing "
        "was changed. Ask again in a few seconds, or send fewer or smaller images at once."
    )


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
