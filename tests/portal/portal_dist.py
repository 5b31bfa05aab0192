"""The portal's built files, made once for all processes of a test run."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

from programs import find_program, unavailable

PORTAL = Path(__file__).parents[2] / "portal"
PAGE = PORTAL / "dist" / "index.html"
_SOURCES = ("src", "public", "index.html", "openapi.json", "package-lock.json", "vite.config.ts")
_INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=30000")
_SECONDS = 240


def build_portal() -> None:
    """Build the portal unless its files are newer than all that they are made of."""
    npm = find_program("npm")
    with (PORTAL / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the tests run in several processes
        if _is_current():
            return
        if not (PORTAL / "node_modules").is_dir():
            _run([npm, *_INSTALL])
        _run([npm, "run", "--silent", "build"])


def _is_current() -> bool:
    if not PAGE.exists():
        return False
    built = PAGE.stat().st_mtime
    return all(_changed(PORTAL / name) <= built for name in _SOURCES)


def _changed(path: Path) -> float:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return max(file.stat().st_mtime for file in files if file.name != "schema.d.ts")


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, cwd=PORTAL, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        unavailable(f"`{' '.join(command[1:])}` in portal/ was not done within {_SECONDS} s")
    if done.returncode and command[1] == "ci":
        unavailable(f"The portal's packages could not be installed: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
