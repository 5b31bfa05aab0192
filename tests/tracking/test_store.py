from __future__ import annotations

from pathlib import Path

import pytest

from dahlia.errors import TrackingError
from dahlia.tracking.store import resolve_uri, translated_errors


@pytest.mark.parametrize(
    ("uri", "resolved"),
    [
        ("sqlite:///mlflow.db", "sqlite:////project/mlflow.db"),
        ("sqlite:///store/mlflow.db", "sqlite:////project/store/mlflow.db"),
        ("sqlite:////elsewhere/mlflow.db", "sqlite:////elsewhere/mlflow.db"),
        ("http://mlflow:5000", "http://mlflow:5000"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
    ],
)
def test_relative_databases_belong_to_the_project(uri: str, resolved: str) -> None:
    assert resolve_uri(uri, Path("/project")) == resolved


def test_errors_say_what_was_being_done() -> None:
    with pytest.raises(TrackingError, match=r"Reading failed: disk gone\. Check `track\.uri`"):  # noqa: SIM117
        with translated_errors("Reading"):
            raise OSError("disk gone")
