"""Memory for decoding on the server: divided among its processes, and answers where it does not suffice."""

from __future__ import annotations

import os

import pytest
from image_cases import entry
from prediction_cases import add_iteration, asked, new_garden, picture, publish, talking

from dahlia.dataset import imaging
from dahlia.dataset.decoding_memory import VARIABLE, DecodingMemory
from dahlia.server import running
from dahlia.server.context import Server
from dahlia.server.images import validation
from dahlia.server.jobs import worker_context
from dahlia.settings.server import load_settings


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> DecodingMemory:
    """Two megabytes, in the place of those of this process."""
    found = DecodingMemory()
    found.limit(2 << 20, patience=0.05)
    for module in (imaging, validation, running, worker_context):
        monkeypatch.setattr(module, "MEMORY", found)
    monkeypatch.delenv(VARIABLE, raising=False)
    return found


@pytest.mark.parametrize(
    ("workers", "long", "of_the_server", "of_a_worker"),
    [("0", "0", 600, 300), ("1", "0", 300, 300), ("3", "0", 300, 100), ("1", "1", 300, 150)],
)
def test_shares(
    workers: str,
    long: str,
    of_the_server: int,
    of_a_worker: int,
    memory: DecodingMemory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = {"DAHLIA_JOBS_WORKERS": workers, "DAHLIA_JOBS_LONG_WORKERS": long}
    settings = load_settings(None, {"DAHLIA_LIMITS_DECODE_MEMORY_MB": "600"} | counts)
    monkeypatch.setenv(VARIABLE, "")
    running.limit_server(settings)
    assert memory.total == of_the_server << 20
    worker_context.limit_worker(settings)
    assert memory.total == of_a_worker << 20
    assert os.environ[VARIABLE] == str(of_a_worker)  # of what the worker starts


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_waits_in_vain_is_asked_to_come_again(server: Server, key: str, memory: DecodingMemory) -> None:
    project = new_garden(server)
    iteration = add_iteration(server, project)
    publish(server, iteration, "live")
    upload = f"/projects/{project.id}/images/files"
    with talking(server, key) as client:
        with memory.hold(2 << 20):
            answer = client.post(upload, json={"images": [entry(1)]})
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "all of the 2 MB" in answer.json()["message"]
            for path in (asked(project), f"/projects/{project.id}/quicktest/image"):
                answer = client.post(path, content=picture())
                assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
                assert "all of the 2 MB" in answer.json()["error"]["message"]
        assert client.post(upload, json={"images": [entry(1)]}).status_code == 200
        assert client.post(asked(project), content=picture()).status_code == 200


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_never_fits_is_refused_by_name(server: Server, key: str, memory: DecodingMemory) -> None:
    project = new_garden(server)
    publish(server, add_iteration(server, project), "live")
    large = picture(size=(900, 900))
    with talking(server, key) as client:
        answer = client.post(f"/projects/{project.id}/images", content=large)
        assert [one["status"] for one in answer.json()["images"]] == ["ErrorImageDimensions"]
        answer = client.post(asked(project), content=large)
        assert (answer.status_code, answer.json()["code"]) == (400, "BadRequestImageDimensions")
        assert "at most 2 MB of memory" in answer.json()["message"]
