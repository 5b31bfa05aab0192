"""Photos that were deleted leave the workspaces too."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from image_cases import entry, photo, uploaded
from project_cases import make_project
from starlette.testclient import TestClient

from dahlia.server.context import Server
from dahlia.server.jobs.worker_context import WorkerContext, remove_leftovers
from dahlia.server.storage.names import image_key
from dahlia.server.workspaces.workspace import IMAGES

_HOLD = """
import sys
from pathlib import Path
from dahlia.server.workspaces.workspace import occupied
with occupied(Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


@pytest.fixture
def workspace(client: TestClient, server: Server) -> Path:
    """Of a project with two photos, linked; and two that are deleted, one of which the storage still has."""
    project = make_project(client)["id"]
    ids = uploaded(client, project, *(entry(number) for number in range(4)))
    images = WorkerContext(server).workspace(project) / IMAGES
    for number in range(4):
        server.storage.fetch(key_of(number), images / f"{content_of(number)}.jpg")
    answer = client.delete(f"/projects/{project}/images", params={"imageIds": ",".join(ids[2:])})
    assert answer.status_code == 204
    server.storage.delete(key_of(3))
    server.storage.delete(key_of(1))  # lost, and named by a row: the workspace may have the last copy
    return images.parent.parent


def content_of(number: int) -> str:
    return hashlib.sha256(photo(number)).hexdigest()


def key_of(number: int) -> str:
    return image_key(content_of(number), ".jpg")


def left(workspace: Path) -> set[str]:
    return {path.stem for path in (workspace / IMAGES).iterdir()}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_nobody_names_any_more_goes(server: Server, workspace: Path) -> None:
    assert remove_leftovers(server.database, workspace.parent) == 1
    assert left(workspace) == {content_of(number) for number in (0, 1, 2)}
    server.storage.delete(key_of(2))
    WorkerContext(server).tidy()
    assert left(workspace) == {content_of(number) for number in (0, 1)}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_workspace_in_use_is_left_alone(server: Server, workspace: Path) -> None:
    command = [sys.executable, "-c", _HOLD, str(workspace)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert remove_leftovers(server.database, workspace.parent) == 0
        holder.communicate(b"\n")
    assert len(left(workspace)) == 4
