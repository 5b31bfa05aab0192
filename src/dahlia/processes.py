"""Processes: how many cores this one may use, and the end of those that it started."""

from __future__ import annotations

import math
import os
import subprocess
from pathlib import Path

_QUOTAS = (  # of a container: version 2 of cgroups, then version 1
    ("cpu.max",),
    ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"),
)


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ask a process to end, and kill it where it has not after `seconds`."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Those that the process may run on, and of them no more than its container's share, rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = _share(cgroup)
    return cores if share is None else max(1, min(cores, math.ceil(share)))


def _share(cgroup: Path) -> float | None:
    for names in _QUOTAS:
        try:
            quota, period = " ".join((cgroup / name).read_text() for name in names).split()
            if float(quota) > 0:
                return float(quota) / float(period)
        except (OSError, ValueError):  # "max", which is no limit, is no number
            continue
    return None
