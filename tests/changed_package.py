"""Dahlia as it is installed, with a `conf/` of its own: for programs that cannot be told what to train."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml

from dahlia.composition import template
from dahlia.project import SHARED

SOURCES = Path(__file__).parents[1] / "src"
Values = Mapping[str, object]


def change_package(folder: Path, changes: Mapping[str, Values]) -> Path:
    """Lay out a folder that stands for `src` in `PYTHONPATH`; modules are links to those of the checkout.

    Args:
        folder: a new one.
        changes: files of `conf/`, and what is other in them: keys with points in them lead to inner ones.
    """
    package = folder / "dahlia"
    package.mkdir(parents=True)
    for path in SOURCES.iterdir():
        if path.name != package.name:
            (folder / path.name).symlink_to(path)
    for path in (SOURCES / package.name).iterdir():
        (package / path.name).symlink_to(path)
    for part in SHARED:
        origin, copy = template() / part, package / "template" / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_dir():
            shutil.copytree(origin, copy)
        else:
            shutil.copy(origin, copy)
    for name, values in changes.items():
        _change(package / "template" / "conf" / name, values)
    return folder


def _change(path: Path, values: Values) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in values.items():
        *outer, last = key.split(".")
        inner = content
        for name in outer:
            inner = inner[name]
        assert last in inner, f"{path.name} has no {key}"
        inner[last] = value
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
