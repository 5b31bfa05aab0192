"""Lock files as uv and npm write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dependencies.lockfile import LOCK, ROOT, Package, npm_locks, read_lock, read_npm_lock

TEXT = """\
alembic==1.20.1
    # via
    #   dahlia (pyproject.toml)
    #   mlflow
mako==1.4.0 \\
    --hash=sha256:00 \\
    --hash=sha256:11
    # via alembic
numpy==2.4.6 ; python_full_version < '3.12'
    # via dahlia (pyproject.toml)
numpy==2.5.5 ; python_full_version >= '3.12'
    # via dahlia (pyproject.toml)
moto[server]==5.3.0
    # via dahlia (pyproject.toml:dev)
Jinja2==3.1.6
    # via
    #   mako
    #   moto
xmltodict==1.0.0
    # via moto
"""


def test_a_lock_file_says_what_is_needed_by_what(tmp_path: Path) -> None:
    path = tmp_path / "requirements.lock"
    path.write_text(TEXT)
    project = "dahlia (pyproject.toml)"
    assert read_lock(path) == [
        Package("alembic", "1.20.1", via=(project, "mlflow")),
        Package("mako", "1.4.0", via=("alembic",)),
        Package("numpy", "2.4.6", 'python_full_version < "3.12"', (project,)),
        Package("numpy", "2.5.5", 'python_full_version >= "3.12"', (project,)),
        Package("moto", "5.3.0", via=("dahlia (pyproject.toml:dev)",), dev=True),
        Package("jinja2", "3.1.6", via=("mako", "moto")),
        Package("xmltodict", "1.0.0", via=("moto",), dev=True),
    ]


@pytest.mark.parametrize("line", ["numpy>=2", "numpy", "numpy==2.*,>1"])
def test_a_lock_file_without_an_exact_version_is_refused(line: str, tmp_path: Path) -> None:
    path = tmp_path / "requirements.lock"
    path.write_text(f"{line}\n    # via dahlia (pyproject.toml)\n")
    with pytest.raises(ValueError, match="Expected an exact version"):
        read_lock(path)


def test_what_ships_and_what_only_tests_need() -> None:
    packages = {package.name: package.dev for package in read_lock(LOCK)}
    expected = {
        "torch": False,
        "mako": False,
        "pytest": True,
        "moto": True,
        "pip-audit": True,
        "jinja2": False,
    }
    assert {name: packages[name] for name in expected} == expected


def test_npm_packages_of_tests_are_no_part_of_what_ships(tmp_path: Path) -> None:
    packages = {
        "": {"name": "site"},
        "node_modules/@scope/one": {"version": "1.0.0", "license": "MIT"},
        "node_modules/@scope/one/node_modules/two": {"version": "2.0.0", "dev": True},
        "node_modules/two": {"version": "2.1.0", "license": "ISC"},
    }
    for folder in ("src/site", "tests/site"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "package-lock.json").write_text(json.dumps({"packages": packages}))
    for folder, tests in (("src/site", False), ("tests/site", True)):
        lock = tmp_path / folder / "package-lock.json"
        via = (f"{folder}/package-lock.json",)
        assert read_npm_lock(lock, tmp_path) == [
            Package("@scope/one", "1.0.0", via=via, licence="MIT", dev=tests),
            Package("two", "2.0.0", via=via, dev=True),
            Package("two", "2.1.0", via=via, licence="ISC", dev=tests),
        ]


def test_every_lock_file_of_npm_is_found() -> None:
    found = {lock.parent.relative_to(ROOT).as_posix() for lock in npm_locks()}
    tests = {"tests/clients", "tests/contract/chromium"}
    tests |= {f"tests/export/tfjs/{name}_packages" for name in ("customvision", "readme")}
    assert found == {"portal", "src/dahlia/export/tfjs", *tests}
