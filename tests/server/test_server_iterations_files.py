from __future__ import annotations

import logging

import pytest
from iteration_cases import new_project
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.database.types import new_id
from dahlia.server.storage.backend import StorageError

pytestmark = pytest.mark.both_databases


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


def test_the_model_on_this_machine_goes_too(client: TestClient, server: Server) -> None:
    case = new_project(server)
    identity = client.post(f"{case.path}/train").json()["id"]
    model = server.settings.server.home / "cache" / "models" / identity / "model.onnx"
    other = model.parent.with_name(new_id()) / "model.onnx"
    for path in (model, other):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"onnx")
    assert client.delete(case.iteration(identity)).status_code == 204
    assert other.exists()
    assert not model.parent.exists()
