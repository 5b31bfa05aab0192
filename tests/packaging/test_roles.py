"""The packages of a machine that only serves predictions, or only the API: what it imports, and no more."""

from __future__ import annotations

import importlib.util
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

import pytest
from fastapi import FastAPI
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from room_imports import imported_by, third_party
from starlette.testclient import TestClient

from dahlia.errors import ServiceError
from dahlia.server.http import page
from dahlia.serving.models.loading import open_source
from small_projects import REPOSITORY


class Role(NamedTuple):
    """Where a role begins, and what it does not reach.

    Attributes:
        entries: its modules.
        without: modules that other roles need: training, MLflow's registry.
        by_name: packages that are loaded by their names alone.
    """

    entries: tuple[str, ...]
    without: tuple[str, ...]
    by_name: frozenset[str]


ROLES = {
    "serving": Role(
        ("dahlia.serving.service",), ("dahlia.tracking.registry",), frozenset({"httptools", "uvloop"})
    ),
    "server": Role(
        (
            "dahlia.server.app", "dahlia.settings.display", "dahlia.server.keys.commands",
            "dahlia.server.running", "dahlia_samples",
        ),
        (
            "dahlia.composition", "dahlia.modeling.classifier", "dahlia.modeling.detection.detector",
            "dahlia.stages.environment",
            "dahlia.tracking.registry", "dahlia.tracking.store",
        ),
        frozenset({"httptools", "psycopg", "s3fs", "uvloop"}),
    ),
}  # fmt: skip


def names(lines: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in lines if line.strip()}


def locked(name: str) -> list[str]:
    """The lines of a lock file, without what needs them."""
    lines = (REPOSITORY / name).read_text().splitlines()
    return [line.split(" \\")[0].strip() for line in lines if line[:1].isalnum()]


def listed(role: str) -> set[str]:
    """The packages that `pyproject.toml` lists for a role."""
    return names(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["dependency-groups"][role])


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_what_it_imports_and_no_more(role: str) -> None:
    distributions = packages_distributions()
    imported = {
        module: {canonicalize_name(name) for name in distributions[module]}
        for module in third_party(ROLES[role].entries, ROLES[role].without)
    }
    lock = names(locked(f"requirements-{role}.lock"))
    assert {module: of for module, of in imported.items() if not of & lock} == {}
    assert listed(role) - set().union(*imported.values()) == ROLES[role].by_name
    assert lock & {"mlflow", "tensorflow-cpu", "tensorflow", "timm", "torch"} == set()
    assert not [name for name in lock if name.startswith("efficientnet")]  # weights, for training alone


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_versions_are_those_of_all(role: str) -> None:
    lines = locked(f"requirements-{role}.lock")
    pins, all_pins = (
        {line.partition(";")[0].strip() for line in of} for of in (lines, locked("requirements.lock"))
    )
    assert listed(role) <= names(lines)
    assert pins - all_pins == set()


def test_the_page_without_the_files_of_swagger_ui(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "static_files", lambda: None)
    app = FastAPI(docs_url=None, openapi_url=None)
    page.install(app)
    answer = TestClient(app).get("/docs")
    assert answer.status_code == 200
    assert 'href="/openapi.json"' in answer.text


def test_a_project_is_not_followed_without_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").touch()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ServiceError, match="pip install mlflow"):
        open_source(tmp_path)


def test_how_imports_are_read() -> None:
    assert {"os", "click", "dahlia", "dahlia.server"} <= set(imported_by("dahlia.server.commands"))
    assert "dahlia.server.jobs.worker" in set(imported_by("dahlia.server.commands"))  # in a function
    assert "mlflow" not in set(imported_by("dahlia.tracking.iteration"))
    assert "torch" in third_party(["dahlia.modeling.classifier"])
