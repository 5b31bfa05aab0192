"""What is used of MLflow beyond its documented interfaces; a test says when a version changes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine

CREDENTIALS_FILE = "~/.mlflow/credentials"
"""Where MLflow's client looks for a user and a password, besides the environment."""


def create_tables(uri: str, prepare: Callable[[Engine], None]) -> None:
    """Make MLflow's tables in an empty database.

    MLflow makes them one by one where it finds none, and never again opens a database that lacks some.

    Args:
        uri: of SQLAlchemy.
        prepare: is given the engine before it connects.
    """
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(uri)  # type: ignore[no-untyped-call]
    prepare(engine)
    _initialize_tables(engine)  # type: ignore[no-untyped-call]
    engine.dispose()


def delete_artifacts(location: str) -> None:
    """Delete all files below the URI of a run or a model; its client has no such call."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(location).delete_artifacts()  # type: ignore[no-untyped-call]


def ignore_credentials_file() -> bool:
    """Let MLflow's client read no credentials file in this process; whether there was something in it."""
    from mlflow.utils import credentials

    found = any(credentials._read_mlflow_creds_from_file())
    credentials._get_credentials_path = lambda: os.devnull
    return found
