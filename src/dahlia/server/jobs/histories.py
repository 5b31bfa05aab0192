"""The Git history of a project: from the storage to the workspaces of the machines, and back."""

from __future__ import annotations

import tempfile
from pathlib import Path

from dahlia.server.context import Server
from dahlia.server.storage.names import history_key
from dahlia.server.storage.storage import NotThere
from dahlia.server.workspaces import head, restore_history, save_history
from dahlia.server.workspaces.repository import git

_BUNDLE = "history.bundle"


def bring_history(server: Server, project_id: str, folder: Path) -> None:
    """Bring a workspace to the last commit that is stored, unless it has it.

    It lacks it where the project was trained on another machine since.

    Raises:
        DahliaError: storage or workspace cannot be read or written.
    """
    try:
        stored = _stored_commit(server, project_id)
    except NotThere:
        return
    if stored and _knows(folder, stored):
        return
    with tempfile.TemporaryDirectory(prefix="history-", dir=_beside(folder)) as name:
        bundle = Path(name) / _BUNDLE
        server.storage.fetch(history_key(project_id), bundle)
        restore_history(bundle, folder)


def keep_history(server: Server, project_id: str, folder: Path) -> None:
    """Store a workspace's commits, if the storage has not got the last.

    Raises:
        DahliaError: storage or workspace cannot be read or written.
    """
    try:
        if _stored_commit(server, project_id) == head(folder):
            return
    except NotThere:
        pass
    with tempfile.TemporaryDirectory(prefix="history-", dir=_beside(folder)) as name:
        bundle = Path(name) / _BUNDLE
        save_history(folder, bundle)
        server.storage.put_file(history_key(project_id), bundle)


def _stored_commit(server: Server, project_id: str) -> str | None:
    """The commit of the branch in the stored bundle, whose first lines name its references."""
    with server.storage.open(history_key(project_id)) as file:
        file.readline()  # the format's version
        for line in iter(file.readline, b"\n"):
            commit, _, reference = line.decode().strip().partition(" ")
            if reference == "HEAD":
                return commit
            if not line:
                break
    return None


def _knows(folder: Path, commit: str) -> bool:
    if head(folder) is None:
        return False
    return git(folder, "cat-file", "--batch-check", text=commit + "\n").split()[1:2] == ["commit"]


def _beside(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.parent
