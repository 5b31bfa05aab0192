"""`python -m portal_build build`, `check` or `types`, for `make portal`, `make lint`, `make portal-types`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from dahlia.errors import DahliaError
from dahlia.files import write_text
from portal_build.node import find_npm
from portal_build.openapi import FILE, described

PORTAL = Path(__file__).parents[2] / "portal"
_INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
_WRITTEN = {"node_modules", "dist", "schema.d.ts"}


def build(portal: Path = PORTAL) -> None:
    """Build the portal unless its build is newer than all that it is made of."""
    if is_stale(portal):
        install(portal)
        find_npm().run(portal, "run", "--silent", "build")


def check(portal: Path = PORTAL) -> None:
    """Check types, rules and units of the portal."""
    install(portal)
    find_npm().run(portal, "run", "--silent", "check")


def types(portal: Path = PORTAL) -> None:
    """Write the description of the API, and the types from it."""
    write_text(FILE, described())
    install(portal)
    find_npm().run(portal, "run", "--silent", "types")


def install(portal: Path) -> None:
    """Install the packages of the lock file, unless they are there."""
    lock, installed = portal / "package-lock.json", portal / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        find_npm().run(portal, *_INSTALL)


def is_stale(portal: Path) -> bool:
    """Whether a source is newer than the build, or there is none."""
    page = portal / "dist" / "index.html"
    return not page.exists() or any(file.stat().st_mtime > page.stat().st_mtime for file in _sources(portal))


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in _WRITTEN:
            continue
        if path.is_dir():
            yield from _sources(path)
        else:
            yield path


if __name__ == "__main__":
    try:
        {"build": build, "check": check, "types": types}[sys.argv[1]]()
    except DahliaError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
