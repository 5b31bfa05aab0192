"""Chromium: the system's, or else the one in an npm package."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from client_packages import npm_packages
from programs import find_program, installed_program

_PACKAGE = Path(__file__).parent / "chromium"
_PACKED_FOR = ("linux", "x86_64")


@dataclass(frozen=True)
class Chromium:
    """A browser that can be started.

    Attributes:
        path: the program.
        variables: what it needs in its environment.
    """

    path: str
    variables: dict[str, str] = field(default_factory=dict)


def find_chromium(config: pytest.Config) -> Chromium:
    """The browser; where there is none the test is skipped, or fails in CI."""
    installed = installed_program("chromium")
    if installed is None and (sys.platform, platform.machine()) == _PACKED_FOR:
        return _packed(config)
    return Chromium(installed or find_program("chromium"))


def _packed(config: pytest.Config) -> Chromium:
    folder = npm_packages(config, _PACKAGE, find_program("node"), "unpack.mjs")
    libraries = [str(folder / "al2023" / "lib"), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    fonts = str(folder / "fonts")
    return Chromium(
        str(folder / "chromium"), {"LD_LIBRARY_PATH": os.pathsep.join(libraries), "FONTCONFIG_PATH": fonts}
    )
