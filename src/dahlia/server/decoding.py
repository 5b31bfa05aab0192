"""How the memory for decoding images is divided among the processes of a server.

The server itself has half of it, for uploads and predictions; its workers share the rest, for trainings.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dahlia.dataset.decoding_memory import MEGABYTE, MEMORY, PATIENCE, VARIABLE, allowed_memory
from dahlia.server.jobs.lanes import lanes_of

if TYPE_CHECKING:
    from dahlia.server.settings import Settings


def limit_server(settings: Settings) -> None:
    """Bound this process, which answers requests: who waits too long is asked to come again."""
    total = allowed_memory(settings.limits.decode_memory_mb)
    MEMORY.limit(total // 2 if lanes_of(settings.jobs) else total, PATIENCE)


def limit_worker(settings: Settings) -> None:
    """Bound this process, and those that it starts, which wait as long as it takes."""
    total = allowed_memory(settings.limits.decode_memory_mb)
    share = total // (2 * max(1, len(lanes_of(settings.jobs))))
    MEMORY.limit(share)
    os.environ[VARIABLE] = str(max(1, share // MEGABYTE))
