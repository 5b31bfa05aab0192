"""The files that DVC keeps in a workspace: repaired after a kill, and deleted when outdated.

DVC writes some of them in place, and would keep every version of what its stages made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

_LOCKS = ("lock", "rwlock", "rwlock.lock")
_CACHE = Path(".dvc/cache/files/md5")


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
