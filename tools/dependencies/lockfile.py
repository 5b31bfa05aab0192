"""The lock files: `requirements.lock` of Python, and every `package-lock.json` of npm."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"

PROJECT = "dahlia (pyproject.toml)"
_VIA = re.compile(r"\s+#\s+(?:via\s*)?(?P<name>\S.*)?$")
_NOT_SHIPPED = ("tests/", "benchmarks/")


@dataclass(frozen=True, order=True)
class Package:
    """A package at the version that a lock file fixes.

    Attributes:
        name: as its registry spells it; Python's are canonical (`scikit-learn`).
        version: the exact one.
        marker: the platforms and Pythons that get it; empty for all.
        via: what needs it; `dahlia (pyproject.toml)` and `dahlia (pyproject.toml:dev)` are the project.
        licence: what a `package-lock.json` says; empty in Python's lock file.
        dev: only tests and tools need it.
    """

    name: str
    version: str
    marker: str = ""
    via: tuple[str, ...] = ()
    licence: str = ""
    dev: bool = False


def read_lock(path: Path) -> list[Package]:
    """The packages of a lock file of `uv pip compile`, in its order; a name may have several versions.

    Raises:
        ValueError: a line fixes no exact version.
    """
    lines: list[tuple[str, list[str]]] = []
    for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        comment = _VIA.match(line)
        if comment and lines:
            lines[-1][1].extend(filter(None, [comment["name"]]))
        elif line.strip() and not line.startswith("#"):
            lines.append((re.sub(r"\s--hash=\S+", "", line).strip(), []))
    needed_by: dict[str, list[str]] = {}
    for line, via in lines:
        needed_by.setdefault(canonicalize_name(Requirement(line).name), []).extend(via)
    shipped = _shipped(needed_by)
    return [_package(line, via, shipped) for line, via in lines]


def npm_locks(root: Path = ROOT) -> list[Path]:
    """Every `package-lock.json` that Git holds, in the order of their paths."""
    command = ["git", "ls-files", "-z", "--", "package-lock.json", "**/package-lock.json"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=60)
    return [root / name for name in sorted(filter(None, listed.stdout.split("\0")))]


def read_npm_lock(path: Path, root: Path = ROOT) -> list[Package]:
    """The packages of a `package-lock.json` (versions 2 and 3), those of tests marked as `dev`."""
    folder = path.relative_to(root).as_posix()
    tests = folder.startswith(_NOT_SHIPPED)
    packages: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["packages"]
    found = {
        Package(
            name=place.rpartition("node_modules/")[2],
            version=str(entry["version"]),
            via=(folder,),
            licence=str(entry.get("license", "")),
            dev=tests or bool(entry.get("dev")),
        )
        for place, entry in packages.items()
        if place
    }
    return sorted(found)


def _package(line: str, via: list[str], shipped: set[str]) -> Package:
    requirement = Requirement(line)
    exact = [part.version for part in requirement.specifier if part.operator == "=="]
    if len(exact) != 1 or len(requirement.specifier) != 1:
        raise ValueError(
            f"Expected an exact version, like `numpy==2.4.6`, received `{line}`. Run `make lock`."
        )
    name = canonicalize_name(requirement.name)
    marker = str(requirement.marker or "")
    return Package(name, exact[0], marker, tuple(via), dev=name not in shipped)


def _shipped(needed_by: dict[str, list[str]]) -> set[str]:
    """What the project needs outside its dev group, through any number of packages."""
    shipped = {PROJECT}
    while True:
        more = {name for name, via in needed_by.items() if not shipped.isdisjoint(via)} | {PROJECT}
        if more == shipped:
            return shipped
        shipped = more
