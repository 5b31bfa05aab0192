"""Where the temporary files of the tests lie: in memory, where the system offers it.

A run makes and deletes tens of thousands of small files, and databases wait for the disk at each commit.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ROOM = 6 << 30  # bytes; a run needs less than one


def temporary_root() -> Path:
    """The folder for temporary files: `TMPDIR` if set, else memory if it has room and may hold programs."""
    if "TMPDIR" not in os.environ and _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK):
        system = os.statvfs(_MEMORY)
        if not system.f_flag & os.ST_NOEXEC and system.f_bavail * system.f_frsize >= _ROOM:
            return _MEMORY
    return Path(tempfile.gettempdir())
