"""`make sbom`: CycloneDX that its own schema accepts, with everything that is locked, the same each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from child_processes import python_path
from dependencies import sbom
from dependencies.lockfile import LOCK, ROOT, npm_locks, read_lock, read_npm_lock


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return sbom.inventory()


def by_reference(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {component["bom-ref"]: component for component in document["components"]}


def test_the_schema_accepts_it(document: dict[str, Any]) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(document)) is None
    wrong = [{**document["components"][0], "type": "spaceship"}]
    assert validator.validate_str(json.dumps({**document, "components": wrong})) is not None


def test_it_holds_every_package_that_is_locked(document: dict[str, Any]) -> None:
    npm = [package for lock in npm_locks() for package in read_npm_lock(lock)]
    locked = {(package.name, package.version) for package in [*read_lock(LOCK), *npm]}
    components = document["components"]
    assert {(component["name"], component["version"]) for component in components} == locked
    assert len(by_reference(document)) == len(components)


def test_a_component_says_where_it_is_from_and_its_licence(document: dict[str, Any]) -> None:
    found = by_reference(document)
    torch = next(package.version for package in read_lock(LOCK) if package.name == "torch")
    assert found[f"pkg:pypi/torch@{torch}"]["purl"] == f"pkg:pypi/torch@{torch}"
    assert found["pkg:npm/%40tensorflow/tfjs-core@4.22.0"]["licenses"] == [{"expression": "Apache-2.0"}]
    named = {component["name"]: component for component in document["components"]}
    assert named["huey"]["licenses"] == [{"expression": "MIT"}]
    assert named["pygit2"]["licenses"] == [{"license": {"name": "GPLv2 with linking exception"}}]
    scopes = {name: named[name]["scope"] for name in ("torch", "pytest", "@tensorflow/tfjs-core", "sharp")}
    assert scopes == {
        "torch": "required",
        "pytest": "excluded",
        "@tensorflow/tfjs-core": "required",
        "sharp": "excluded",
    }
    markers = {component.get("properties", [{}])[0].get("value") for component in document["components"]}
    assert {'python_full_version >= "3.12"', 'sys_platform == "win32"'} <= markers


def test_it_says_what_needs_what(document: dict[str, Any]) -> None:
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in document["dependencies"]}
    assert set(needs) == {*by_reference(document), "dahlia"}
    names = {reference.partition("@")[0] for reference in needs["dahlia"]}
    assert {"pkg:pypi/torch", "pkg:pypi/numpy"} <= names
    assert "pkg:pypi/pytest" not in names
    alembic = next(reference for reference in needs if reference.startswith("pkg:pypi/alembic@"))
    assert any(reference.startswith("pkg:pypi/mako@") for reference in needs[alembic])


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert sbom.main([f"--output={tmp_path / 'one.json'}"]) == 0
    environment = {**os.environ, "PYTHONPATH": python_path(ROOT / "tools"), "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-m", "dependencies.sbom", f"--output={tmp_path / 'two.json'}"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=120)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_a_time_is_in_it_where_one_is_given(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "timestamp" not in document["metadata"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    stamped = sbom.inventory()
    assert stamped["metadata"]["timestamp"] == "2026-09-21T14:13:20+00:00"
    assert stamped["serialNumber"] == document["serialNumber"]
