"""The real pipeline, from a snapshot to an iteration, and once more from its history."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from workspace_projects import NAME, PhotoSet

from dahlia import layout
from dahlia.dataset.manifest import load_folds
from dahlia.modeling.card import load_card
from dahlia.modeling.predictions import load_predictions
from dahlia.server.workspaces.laying import lay_out
from dahlia.server.workspaces.models import Outcome, collect, personalise
from dahlia.server.workspaces.running import run_pipeline
from dahlia.server.workspaces.workspace import commit, restore_history, save_history
from dahlia.warm.protocol import VARIABLE
from warm_commands import UNBUFFERED

pytestmark = pytest.mark.slow

TAGS = ('red, "quoted"; x', "日本 🌸 a/b", "Negative")
FIGURES = (layout.METRICS, layout.EVALUATION, layout.PREDICTIONS, layout.FOLDS)


def _train(folder: Path, photo_set: PhotoSet, graphs: Path, warm: Path | None) -> Outcome:
    lay_out(folder, photo_set.snapshot(), photo_set.fetch, graphs=graphs)
    commit(folder, f"{len(photo_set.photos)} photos")
    environment = {VARIABLE: str(warm), **UNBUFFERED} if warm else {}
    run_pipeline(folder, environment=environment, watch=lambda now: None, cancelled=lambda: False)
    return collect(folder)


@pytest.mark.portable
def test_train_retrain_and_reproduce(tmp_path: Path, warm: Path | None, shipped_graphs: Path) -> None:
    photo_set, graphs, folder = PhotoSet(tmp_path / "store"), shipped_graphs, tmp_path / "worker" / NAME
    for tag in TAGS:
        photo_set.add(7, tag, real=True)
    first = _train(folder, photo_set, graphs, warm)
    commit(folder, "Iteration 1")
    folds = load_folds(folder / layout.FOLDS)
    assert folds.keys() == {photo.sha256 for photo in photo_set.photos}

    for tag in TAGS:
        photo_set.add(2, tag, real=True)
    second = _train(folder, photo_set, graphs, warm)
    commit(folder, "Iteration 2")
    assert (first.number, second.number) == (1, 2)
    assert first.run_id != second.run_id
    assert load_folds(folder / layout.FOLDS).items() > folds.items()
    assert load_predictions(second.predictions).tags == tuple(sorted(TAGS, key=str.casefold))

    personalise(
        second.servable, tmp_path / "served", project_id="p", tag_ids={tag: f"id of {tag}" for tag in TAGS}
    )
    served = load_card(tmp_path / "served").tags
    assert {(tag.name, tag.id, tag.type) for tag in served} == {
        (tag, f"id of {tag}", "Regular") for tag in TAGS
    }

    save_history(folder, tmp_path / "history.bundle")
    copy = tmp_path / "home" / NAME
    restore_history(tmp_path / "history.bundle", copy)
    third = _train(copy, photo_set, graphs, warm)
    for name in FIGURES:
        assert (copy / name).read_bytes() == (folder / name).read_bytes(), name
    assert third.number == 1  # its store is its own
    changed = subprocess.run(
        ["git", "-C", str(copy), "diff", "--name-only"], capture_output=True, text=True, check=True
    )
    # The bundle names the commit that it was trained at, the report the run in MLflow.
    assert set(changed.stdout.split()) == {"dvc.lock", "reports/iteration.json"}
