"""What a new version of MLflow could change under us."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.db import utils

import dahlia

SOURCE = Path(dahlia.__file__).parent


def test_the_calls_that_make_tables_are_what_they_were() -> None:
    assert list(inspect.signature(utils._initialize_tables).parameters) == ["engine"]
    assert next(iter(inspect.signature(utils.create_sqlalchemy_engine).parameters)) == "db_uri"


def test_mlflow_takes_tables_made_so_for_whole() -> None:
    """The check that it makes itself before it opens a database."""
    assert "_all_tables_exist" in inspect.getsource(utils._safe_initialize_tables)
    assert "_upgrade_db" in inspect.getsource(utils._initialize_tables)


def test_the_files_of_a_run_can_be_deleted(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "file").write_text("x")
    get_artifact_repository((tmp_path / "run").as_uri()).delete_artifacts()
    assert not (tmp_path / "run" / "file").exists()


@pytest.mark.parametrize("module", ["mlflow.store", "mlflow.utils"])
def test_nothing_else_uses_them(module: str) -> None:
    users = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(module)
    }
    assert users <= {"tracking/mlflow_internals.py"}
