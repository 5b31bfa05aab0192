from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from workspace_projects import NAME, PhotoSet, small_photo_set, tree

from dahlia import layout
from dahlia.dataset.manifest import load_folds, save_folds
from dahlia.errors import DatasetError
from dahlia.server.workspaces.laying import lay_out
from dahlia.server.workspaces.workspace import PipelineError, commit, head, restore_history, save_history

FOLDS = {"a" * 64: 0, "b" * 64: 4, "c" * 64: -1}


@pytest.fixture
def photo_set(tmp_path: Path) -> PhotoSet:
    return small_photo_set(tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path, photo_set: PhotoSet) -> Path:
    folder = tmp_path / NAME
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    return folder


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_commits_hold_all_but_photos(folder: Path) -> None:
    assert head(folder) is None
    (folder / "reports").mkdir()
    (folder / "reports/metrics.json").write_text("{}")
    (folder / "reports/evaluation.html").write_text("<img>")
    revision = commit(folder, "Iteration 1\n\nwith more lines")
    assert head(folder) == revision
    assert commit(folder, "Nothing new") == revision
    names = set(_git(folder, "ls-files").split())
    assert {"params.yaml", "dvc.yaml", "conf/config.yaml", "data/annotations.csv"} <= names
    assert "reports/metrics.json" in names
    assert not any("images" in name or name.endswith(".html") for name in names)
    assert _git(folder, "log", "--format=%an %s").splitlines() == ["Dahlia Iteration 1"]


def test_what_git_is_told_by_others_does_not_count(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gitconfig").write_text("[commit]\n\tgpgsign = true\n[core]\n\thooksPath = /nowhere\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert commit(folder, "One") == head(folder)


def test_locks_of_the_dead_are_removed(folder: Path) -> None:
    commit(folder, "One")
    (folder / ".git/index.lock").touch()
    (folder / ".git/refs/heads/main.lock").touch()
    (folder / "conf/config.yaml").write_text("changed")
    assert commit(folder, "Two") == head(folder)


def test_a_repository_that_was_left_half_made(folder: Path) -> None:
    (folder / ".git/HEAD").unlink()
    assert len(commit(folder, "One")) == 40


def test_history_travels(folder: Path, tmp_path: Path, photo_set: PhotoSet) -> None:
    save_folds(folder / layout.FOLDS, FOLDS)
    commit(folder, "One")
    revision = commit(folder, "Iteration 1")
    save_history(folder, tmp_path / "history.bundle")
    copy = tmp_path / "copy" / NAME
    restore_history(tmp_path / "history.bundle", copy)
    assert head(copy) == revision
    assert load_folds(copy / layout.FOLDS) == FOLDS
    assert _git(copy, "status", "--porcelain") == ""
    lay_out(copy, photo_set.snapshot(), photo_set.fetch)
    assert tree(copy) == tree(folder)


def test_a_workspace_that_missed_an_iteration(folder: Path, tmp_path: Path, photo_set: PhotoSet) -> None:
    save_folds(folder / layout.FOLDS, {"a" * 64: 1})
    commit(folder, "Iteration 1")
    save_history(folder, tmp_path / "first.bundle")
    copy = tmp_path / "copy" / NAME
    restore_history(tmp_path / "first.bundle", copy)
    lay_out(copy, photo_set.snapshot(), photo_set.fetch)
    photo_set.fetched.clear()
    save_folds(folder / layout.FOLDS, FOLDS)
    revision = commit(folder, "Iteration 2")
    save_history(folder, tmp_path / "second.bundle")
    restore_history(tmp_path / "second.bundle", copy)
    lay_out(copy, photo_set.snapshot(), photo_set.fetch)
    assert head(copy) == revision
    assert load_folds(copy / layout.FOLDS) == FOLDS
    assert photo_set.fetched == []


def test_folds_that_were_lost_are_recalled(folder: Path, photo_set: PhotoSet) -> None:
    save_folds(folder / layout.FOLDS, FOLDS)
    commit(folder, "Iteration 1")
    (folder / layout.FOLDS).unlink()
    lay_out(folder, photo_set.snapshot(), photo_set.fetch)
    assert load_folds(folder / layout.FOLDS) == FOLDS
    (folder / layout.FOLDS).unlink()
    (folder / "data/folds.csv").write_text("id,fold\nx,y\n")
    with pytest.raises(DatasetError, match="Restore it from Git"):
        lay_out(folder, photo_set.snapshot(), photo_set.fetch)


def test_what_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "history.bundle").write_text("no")
    with pytest.raises(PipelineError, match="git fetch"):
        restore_history(tmp_path / "history.bundle", tmp_path / NAME)
    assert not (tmp_path / NAME).exists()


def test_no_history_yet(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="git bundle"):
        save_history(folder, tmp_path / "history.bundle")
    assert not (tmp_path / "history.bundle").exists()
    assert head(tmp_path / "nowhere") is None
