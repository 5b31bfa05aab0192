"""Clients that are not in the environment, each installed once into a folder of the tests' cache."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dahlia.files import staged_directory

_HERE = Path(__file__).parent / "clients"
_FILES = ("package.json", "package-lock.json")


def python_client(config: pytest.Config, version: str) -> Path:
    """A folder to import `azure.cognitiveservices.vision.customvision` of a version from."""
    package = f"azure-cognitiveservices-vision-customvision=={version}"
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-compile", "--quiet", package]
    return _installed(config, f"python-{version}", [*command, "--target", "."])


def javascript_clients(config: pytest.Config) -> tuple[str, Path]:
    """Node, and a folder with the npm packages for training and prediction."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        _skip("Node and its npm are not there")
    command = [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    versions = json.loads((_HERE / _FILES[0]).read_text())["dependencies"].values()
    return str(node), _installed(config, "-".join(["javascript", *versions]), command, *_FILES)


def _installed(config: pytest.Config, name: str, command: list[str], *files: str) -> Path:
    cache = Path(config.cache.mkdir("clients"))  # type: ignore[union-attr]
    place = cache / name
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the tests run in several processes
        if not place.exists():
            _install(place, command, *files)
    return place


def _install(place: Path, command: list[str], *files: str) -> None:
    try:
        with staged_directory(place) as staged:
            for file in files:
                shutil.copy(_HERE / file, staged)
            subprocess.run(command, cwd=staged, check=True, capture_output=True, text=True, timeout=200)
    except subprocess.TimeoutExpired:
        _skip(f"{place.name} could not be installed in time")
    except subprocess.CalledProcessError as error:
        _skip(f"{place.name} could not be installed: {error.stderr[-300:]}")


def _skip(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
