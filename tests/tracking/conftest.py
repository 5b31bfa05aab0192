from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dahlia.tracking.store import connect

URI = "sqlite:///mlflow.db"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables and nothing in them; making one takes seconds."""
    folder = tmp_path_factory.mktemp("store")
    connect(URI, folder, create=True)
    return folder / "mlflow.db"


@pytest.fixture
def root(tmp_path: Path, empty_store: Path) -> Path:
    """A project folder with an empty store."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    return folder
