"""The pipeline, run in a workspace as on the command line: `dvc repro`.

DVC writes some of its files in place, and would keep every version of what its stages made: they are repaired
before a run, since a kill may have cut them off, and trimmed after it.
"""

from __future__ import annotations

import csv
import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeAlias

import yaml

from dahlia import layout
from dahlia.config import load_params
from dahlia.server.workspaces.guard import guard_command
from dahlia.server.workspaces.progress import Progress, ProgressTracker, reason, stage_seconds
from dahlia.server.workspaces.workspace import (
    ANNOTATIONS,
    DVC_NOTES,
    FOLDS,
    LOG,
    Cancelled,
    PipelineError,
    occupied,
    without,
)
from dahlia.warm.protocol import VARIABLE, dvc_command

_POLL = 0.2
_TICK = 1.0
_KEPT_LINES = 2000
_TOLD_LINES = 60
_Printed: TypeAlias = "queue.SimpleQueue[str | None]"
_LOCKS = ("lock", "rwlock", "rwlock.lock")
_CACHE = Path(".dvc/cache/files/md5")


def run_pipeline(
    folder: Path,
    *,
    environment: Mapping[str, str],
    watch: Callable[[Progress], None],
    cancelled: Callable[[], bool],
    niceness: int = 0,
) -> None:
    """Run `dvc repro`; when it returns, everything that `collect` wants is there.

    All that is printed goes to `.dahlia/pipeline.log`. When this process ends, however it does, so do the
    pipeline and its stages.

    Args:
        folder: a workspace that was laid out.
        environment: variables for the stages, besides this process's own: `DAHLIA_WARM` makes them quick.
        watch: called for every line that is printed, and once a second.
        cancelled: asked five times a second; true ends the pipeline within a few seconds.
        niceness: 0 to 19, by which it leaves the processors to others.

    Raises:
        PipelineError: a stage failed; the text says what to do. Or another process has the workspace.
        Cancelled: `cancelled` returned true.
        ConfigError: there is no workspace.

    What `watch` and `cancelled` raise passes, after the pipeline was ended.
    """
    with occupied(folder) as lock:
        variables = _environment(folder, environment)
        tracker = ProgressTracker(_expected(folder, warm=VARIABLE in variables))
        repair(folder)
        (folder / DVC_NOTES).mkdir(parents=True, exist_ok=True)
        lines: deque[str] = deque(maxlen=_KEPT_LINES)
        with (
            _started(folder, variables, lock, niceness) as (process, printed),
            (folder / LOG).open("w") as log,
        ):
            for line in _lines(process, printed, cancelled):
                if line is not None:
                    lines.append(line)
                    log.write(line + "\n")
                    tracker.hear(line)
                watch(tracker.progress)
        if process.returncode != 0:
            said = list(lines)
            raise PipelineError(reason(said, str(folder.resolve())), output="\n".join(said[-_TOLD_LINES:]))
        trim(folder)
        tracker.finish()
        watch(tracker.progress)


def repair(folder: Path) -> None:
    """Delete DVC's locks, and a `dvc.lock` that was cut off: stages then run again, or come from the cache.

    Only for the process that holds the workspace: the one that made the locks is gone.
    """
    for name in _LOCKS:
        (folder / ".dvc" / "tmp" / name).unlink(missing_ok=True)
    lock = folder / "dvc.lock"
    if lock.exists() and not _is_whole(lock):
        lock.unlink()


def trim(folder: Path) -> None:
    """Delete from DVC's cache what `dvc.lock` does not name, so that it holds the last iteration alone."""
    stages = yaml.safe_load((folder / "dvc.lock").read_text("utf-8"))["stages"]
    cache = folder / _CACHE
    kept = {name for stage in stages.values() for out in stage.get("outs", ()) for name in _named(cache, out)}
    for path in cache.glob("??/*"):
        if path.parent.name + path.name not in kept:
            path.unlink()


def _expected(folder: Path, *, warm: bool) -> dict[str, float]:
    params = load_params(folder / layout.PARAMS)
    training = params.training
    rows = _table(folder / ANNOTATIONS)
    photos = {Path(row["file"]).stem for row in rows}
    tags = {row["tag"] for row in rows}
    new = photos - {row["id"] for row in _table(folder / FOLDS)}
    budget = training.fine_tuning.budget_minutes if training.fine_tuning else None
    return stage_seconds(
        len(photos), len(tags), training.recipe, budget, warm=warm, new=len(new), domain=params.domain
    )


def _table(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _environment(folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    notes = folder.resolve() / DVC_NOTES
    ours = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "SHELL": "/bin/sh",  # DVC runs stages with it, and that of a service's account may be `nologin`
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(notes / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(notes / "global"),
        "DVC_SYSTEM_CONFIG_DIR": str(notes / "system"),
    }
    return without(os.environ, "GIT_", "DVC_") | ours | dict(given)


@contextmanager
def _started(
    folder: Path, variables: Mapping[str, str], lock: int, niceness: int
) -> Iterator[tuple[subprocess.Popen[str], _Printed]]:
    process = subprocess.Popen(
        [*guard_command(niceness), *dvc_command(variables), "repro"],
        cwd=folder,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        pass_fds=(lock,),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    printed: _Printed = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process.stdout, printed), daemon=True).start()
    try:
        yield process, printed
    finally:
        process.stdin.close()  # the guard ends the group, where it has not ended
        if process.wait() < 0:  # somebody killed the guard
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _read(stream: IO[str], printed: _Printed) -> None:
    with stream:
        for line in stream:
            printed.put(line.rstrip())
    printed.put(None)


def _lines(
    process: subprocess.Popen[str], printed: _Printed, cancelled: Callable[[], bool]
) -> Iterator[str | None]:
    """The lines as they are printed, and None about once a second."""
    asked = told = -math.inf
    while True:
        now = time.monotonic()
        if now - asked >= _POLL:
            asked = now
            if cancelled():
                raise Cancelled("The training was cancelled.")
        if now - told >= _TICK:
            told = now
            yield None
        try:
            line = printed.get(timeout=_POLL)
        except queue.Empty:
            if process.poll() is not None:
                return
        else:
            if line is None:
                process.wait()
                return
            yield line


def _is_whole(lock: Path) -> bool:
    try:
        return all(_is_entry(entry) for entry in _entries(yaml.safe_load(lock.read_text("utf-8"))))
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError):
        return False


def _entries(content: Any) -> Iterator[Any]:
    for stage in content["stages"].values():
        yield from stage.get("deps", ())
        yield from stage["outs"]


def _is_entry(entry: Any) -> bool:
    return bool(entry["path"]) and entry["hash"] == "md5" and len(entry["md5"].partition(".")[0]) == 32


def _named(cache: Path, out: Mapping[str, Any]) -> Iterator[str]:
    name = str(out["md5"])
    yield name
    listing = cache / name[:2] / name[2:]
    if name.endswith(".dir") and listing.exists():
        yield from (entry["md5"] for entry in json.loads(listing.read_bytes()))
