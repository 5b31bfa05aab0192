"""A warm process for commands of tests that are not about how commands start."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dahlia.warm.process import WarmProcess

UNBUFFERED = {"PYTHONUNBUFFERED": "1"}  # read once: a command without it is not forked


@contextmanager
def warm_commands(environment: Mapping[str, str] = os.environ) -> Iterator[Path | None]:
    """The socket that `DAHLIA_WARM` is to be; None where there are no warm processes."""
    if sys.platform != "linux":
        yield None
        return
    with WarmProcess.start({**environment, **UNBUFFERED}) as warm:
        assert warm.wait_until_ready(200)
        yield warm.socket
