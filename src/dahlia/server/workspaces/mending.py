"""Repairs what a killed DVC leaves behind: it writes some of its files in place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

_LOCKS = ("lock", "rwlock", "rwlock.lock")


def repair(folder: Path) -> None:
    """Delete DVC's locks, and a `dvc.lock` that was cut off: stages then run again, or come from the cache.

    Only for the process that holds the workspace: the one that made the locks is gone.
    """
    for name in _LOCKS:
        (folder / ".dvc" / "tmp" / name).unlink(missing_ok=True)
    lock = folder / "dvc.lock"
    if lock.exists() and not _is_whole(lock):
        lock.unlink()


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
