"""What workers work with: folders on this disk, and a warm process."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import ClassVar

import pytest
from job_cases import plant

from dahlia.server.context import Server, open_server
from dahlia.server.jobs.worker_context import WorkerContext
from dahlia.server.workspaces.workspace import occupied
from dahlia.settings.server import load_settings


def test_folders_of_deleted_projects_go(server: Server) -> None:
    project, context = plant(server, "a"), WorkerContext(server)
    kept, gone, used = (
        context.workspace(project.id),
        context.workspace(str(uuid.uuid4())),
        context.workspace(str(uuid.uuid4())),
    )
    for folder in (kept, gone, used, kept.parent / "notes-of-somebody"):
        folder.mkdir(parents=True)
    held = threading.Event()
    done = threading.Event()

    def use() -> None:
        with occupied(used):
            held.set()
            done.wait(10)

    thread = threading.Thread(target=use)
    thread.start()
    held.wait(10)
    context.tidy()
    done.set()
    thread.join()
    assert (kept.exists(), gone.exists(), used.exists()) == (True, False, True)
    assert (kept.parent / "notes-of-somebody").exists()


class FakeWarm:
    """Stands for a warm process; ready when it is asked for the third time."""

    made: ClassVar[list[FakeWarm]] = []

    def __init__(self) -> None:
        self.socket = Path(f"socket-{len(self.made)}")
        self.alive = True
        self.asked = 0
        self.made.append(self)

    @classmethod
    def start(cls, environment: object) -> FakeWarm:
        return cls()

    def wait_until_ready(self, timeout: float) -> bool:
        self.asked += 1
        return self.asked > 2

    def close(self) -> None:
        self.alive = False


def test_a_warm_process_is_waited_for_and_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dahlia.server.jobs.worker_context.WarmProcess", FakeWarm)
    monkeypatch.setattr(FakeWarm, "made", [])
    server = open_server(load_settings(None, {"DAHLIA_SERVER_HOME": str(tmp_path / "home")}))
    checks: list[int] = []
    with WorkerContext(server) as context:
        assert context.environment()["DAHLIA_WARM"] == "socket-0"
        context.wait_until_warm(lambda: checks.append(1))
        assert len(checks) == 3
        FakeWarm.made[0].alive = False
        context.wait_until_warm(lambda: checks.append(1))
        assert len(checks) == 3
        assert context.environment()["DAHLIA_WARM"] == "socket-1"
    assert not FakeWarm.made[1].alive
    server.database.close()
