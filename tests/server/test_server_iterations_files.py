from __future__ import annotations

import logging

import pytest
from iteration_cases import new_project
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.storage.errors import StorageError


def test_files_that_cannot_be_deleted_are_left_to_cleaning(
    client: TestClient, server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    case = new_project(server)
    identity = client.post(f"{case.path}/train").json()["id"]

    def fail(prefix: str) -> None:
        raise StorageError("the disk is read-only")

    monkeypatch.setattr(server.storage, "delete_folder", fail)
    with caplog.at_level(logging.WARNING, "dahlia.server"):
        assert client.delete(case.iteration(identity)).status_code == 204
    assert "the disk is read-only" in caplog.text
