"""Laying out a workspace."""

from __future__ import annotations

import shutil
from pathlib import Path

from dahlia import layout
from dahlia.server.workspaces.configuration import configure
from dahlia.server.workspaces.git import start
from dahlia.server.workspaces.history import recall_folds
from dahlia.server.workspaces.occupation import occupied
from dahlia.server.workspaces.photos import Fetch, annotate, bring, tagged
from dahlia.server.workspaces.snapshot import Snapshot


def lay_out(folder: Path, snapshot: Snapshot, fetch: Fetch, *, graphs: Path | None = None) -> None:
    """Make the folder the project folder of this snapshot.

    Only what differs is touched: a workspace that is kept gets ten files after ten more photos. Killed at any
    moment, the next call ends what was begun.

    Args:
        folder: the workspace; made if it is not there.
        snapshot: what it is to hold. Photos without tags are skipped.
        fetch: puts a photo at a path that does not exist yet, by a hard link or a download; called in several
            threads at once.
        graphs: a folder for converted backbones, which all workspaces on this machine can share: a project's
            first export is then as quick as later ones.

    Raises:
        ConfigError: the domain or the project's name is not known, or a value is out of its range.
        DatasetError: a photo's name cannot be a file's.
        PipelineError: a photo could not be fetched, another process has the workspace, or Git failed.
        DahliaError: the disk is full, or the folder cannot be written. What else `fetch` raises passes.
    """
    photos = tagged(snapshot.photos)
    with occupied(folder):
        start(folder)
        configure(folder, snapshot)
        bring(folder, photos, fetch)
        annotate(folder, photos)
        recall_folds(folder)
        if graphs is not None:
            _share(folder / layout.GRAPH_CACHE, graphs)


def _share(link: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and link.readlink() == target.resolve():
        return
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        shutil.rmtree(link)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target.resolve(), target_is_directory=True)
