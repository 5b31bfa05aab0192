"""Keeping a workspace small: DVC would keep every version of what its stages made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

_CACHE = Path(".dvc/cache/files/md5")


def trim(folder: Path) -> None:
    """Delete from DVC's cache what `dvc.lock` does not name, so that it holds the last iteration alone."""
    stages = yaml.safe_load((folder / "dvc.lock").read_text("utf-8"))["stages"]
    cache = folder / _CACHE
    kept = {name for stage in stages.values() for out in stage.get("outs", ()) for name in _named(cache, out)}
    for path in cache.glob("??/*"):
        if path.parent.name + path.name not in kept:
            path.unlink()


def _named(cache: Path, out: Mapping[str, Any]) -> Iterator[str]:
    name = str(out["md5"])
    yield name
    listing = cache / name[:2] / name[2:]
    if name.endswith(".dir") and listing.exists():
        yield from (entry["md5"] for entry in json.loads(listing.read_bytes()))
