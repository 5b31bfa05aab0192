"""Where TensorFlow.js comes from, and what is said where it is not available."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest

from dahlia.errors import VerificationError
from dahlia.export.tfjs import graph_model, node

HERE = Path(node.__file__).parent


def put(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds all programs that can be found, and an empty cache."""
    monkeypatch.setenv("PATH", str(tmp_path / "tools"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "tools"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "proven in Node 18 or later, which is not there: install it"),
        ("echo v16.20.2", "received v16.20.2: install it"),
        ("echo broken >&2; exit 1", "received broken: install it"),
    ],
)
def test_node_is_wanted(tools: Path, script: str | None, message: str) -> None:
    if script is not None:
        put(tools, "node", script)
    with pytest.raises(VerificationError, match=message):
        node.find_node()


def test_a_recent_node_is_taken(tools: Path) -> None:
    put(tools, "node", "echo v22.1.0")
    assert node.find_node() == str(tools / "node")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "which is there without npm"),
        ("echo npm error network ENOTFOUND >&2; exit 1", "could not be installed by npm: npm error network"),
        ("exec sleep 30", "it took longer than 0.2 s"),
    ],
)
def test_npm_that_fails_leaves_nothing(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, message: str
) -> None:
    monkeypatch.setattr(node, "_INSTALL_SECONDS", 0.2)
    if script is not None:
        put(tools, "npm", script.replace("sleep", str(shutil.which("sleep", path="/usr/bin:/bin"))))
    with pytest.raises(VerificationError, match=message):
        node.installed_packages()
    assert list((tmp_path / "cache" / "dahlia").iterdir()) == []


def test_packages_are_installed_once(tools: Path, tmp_path: Path) -> None:
    put(tools, "npm", 'echo "$@" > arguments')
    folder = node.installed_packages()
    assert folder.parent == tmp_path / "cache" / "dahlia"
    assert {"package.json", "package-lock.json", "arguments"} == {part.name for part in folder.iterdir()}
    assert (folder / "arguments").read_text().startswith("ci --ignore-scripts --no-audit --no-fund")
    put(tools, "npm", "exit 1")
    assert node.installed_packages() == folder


def test_versions_are_fixed() -> None:
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    lock = json.loads((HERE / "package-lock.json").read_text())["packages"]
    assert lock[""]["dependencies"] == wanted
    assert len(set(wanted.values())) == 1
    for name, version in wanted.items():
        assert lock[f"node_modules/{name}"]["version"] == version
    for name, part in lock.items():
        assert name == "" or part["integrity"].startswith("sha512-")
        # A mirror's address would be asked wherever this is installed.
        assert "resolved" not in part  # any mirror will do: the checksum decides


def test_operations_are_named_once() -> None:
    names = graph_model._NAMES.split()
    assert names == sorted(set(names))
