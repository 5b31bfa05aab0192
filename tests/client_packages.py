"""Packages that are not in the environment, each installed once into a folder of the tests' cache."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dahlia.files import staged_directory
from programs import find_program, unavailable

_CLIENTS = Path(__file__).parent / "clients"
_PIP = ("-m", "pip", "install", "--no-deps", "--no-compile", "--quiet", "--retries=1", "--timeout=30")
_NPM = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=30000")
_SECONDS = 200


def python_client(config: pytest.Config, version: str) -> Path:
    """A folder to import `azure.cognitiveservices.vision.customvision` of a version from."""
    package = f"azure-cognitiveservices-vision-customvision=={version}"
    return _installed(config, f"python-{version}", [[sys.executable, *_PIP, package, "--target", "."]])


def javascript_clients(config: pytest.Config) -> tuple[str, Path]:
    """Node, and a folder with the npm packages for training and prediction."""
    return find_program("node"), npm_packages(config, _CLIENTS)


def npm_packages(config: pytest.Config, source: Path, *command: str) -> Path:
    """A copy of a folder with the packages of its `package-lock.json` in `node_modules`.

    Args:
        config: knows the cache.
        source: all its files are copied.
        command: runs in the copy when the packages are there.
    """
    files = sorted(path for path in source.iterdir() if path.is_file())
    version = hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:12]
    commands = [[find_program("npm"), *_NPM], *([list(command)] if command else [])]
    return _installed(config, f"{source.name}-{version}", commands, *files)


def _installed(config: pytest.Config, name: str, commands: list[list[str]], *files: Path) -> Path:
    cache = Path(config.cache.mkdir("clients"))  # type: ignore[union-attr]
    place = cache / name
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the tests run in several processes
        if not place.exists():
            _install(place, commands, *files)
    return place


def _install(place: Path, commands: list[list[str]], *files: Path) -> None:
    try:
        with staged_directory(place) as staged:
            for file in files:
                shutil.copy(file, staged)
            for command in commands:
                subprocess.run(
                    command, cwd=staged, check=True, capture_output=True, text=True, timeout=_SECONDS
                )
    except subprocess.TimeoutExpired:
        unavailable(f"{place.name} could not be installed within {_SECONDS} s")
    except subprocess.CalledProcessError as error:
        unavailable(f"{place.name} could not be installed: {' '.join(error.stderr.split())[-300:]}")
