"""Whether a prediction is the only one of a service, whose processes share a machine."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

FILE = "dahlia-under-way.lock"
_ASKED = "hhqqi4x"  # of Linux on 64 bits: l_type, l_whence, l_start, l_len, l_pid of fcntl.h, `struct flock`


class UnderWay:
    """Counts the predictions of this process, and knows whether another process has some.

    While it has some, a process holds a lock on a byte of a file that all have open. The system itself gives
    such locks up when a process ends, and says with one call whether there are any.

    Args:
        file: of the service; None where it has no other process. Once for each file in a process: closing
            it gives up what others hold.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._count = 0
        self._file: BinaryIO | None = file.open("ab+", buffering=0) if file else None

    @classmethod
    def of_service(cls, processes: int) -> UnderWay:
        """That of a process of a BentoML service, whose processes have a folder together.

        Args:
            processes: how many it has.
        """
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        return cls(Path(folder) / FILE if folder and processes > 1 else None)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count a prediction until the block ends; used by one event loop."""
        self._count += 1
        if self._count == 1:
            self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._lock(fcntl.LOCK_UN)

    def is_only_one(self) -> bool:
        """Whether no other prediction waits or is computed; from any thread."""
        return self._count == 1 and not self._has_company()

    def close(self) -> None:
        """Give up the file."""
        if self._file:
            self._file.close()

    def _lock(self, how: int) -> None:
        if self._file:
            fcntl.lockf(self._file, how, 1, os.getpid())  # a byte of its own, so that nobody waits

    def _has_company(self) -> bool:
        if self._file is None:
            return False
        if sys.platform != "linux":  # whose structure is another
            return True
        asked = struct.pack(_ASKED, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        found = fcntl.fcntl(self._file, fcntl.F_GETLK, asked)
        return bool(struct.unpack(_ASKED, found)[0] != fcntl.F_UNLCK)
