from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from iteration_cases import new_project
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.iterations.files import discard_files, stale_prefixes
from dahlia.server.storage.errors import StorageError
from dahlia.serving.http.replies import new_id


def test_files_without_an_iteration_are_found(client: TestClient, server: Server) -> None:
    case = new_project(server)
    kept, gone = client.post(f"{case.path}/train").json()["id"], new_id()
    for identity in (kept, gone, "not-an-id"):
        server.storage.put(f"iterations/{identity}/evaluation.json", b"{}")
    server.storage.put(f"exports/{gone}/{gone}.ONNX.zip", b"zip")
    server.storage.put("images/ab/abcd.jpg", b"jpg")
    assert stale_prefixes(server) == []
    later = server.now() + timedelta(days=2)
    server.now = lambda: later
    assert stale_prefixes(server) == [f"exports/{gone}", f"iterations/{gone}"]
    discard_files(server, gone)
    assert stale_prefixes(server) == []
    left = {entry.key for part in ("iterations", "exports", "images") for entry in server.storage.keys(part)}
    assert left == {
        f"iterations/{kept}/evaluation.json", "iterations/not-an-id/evaluation.json", "images/ab/abcd.jpg",
    }  # fmt: skip


def test_files_that_cannot_be_deleted_are_left_to_the_sweep(
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
