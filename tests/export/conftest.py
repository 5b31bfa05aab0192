from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dahlia.stages import train
from small_projects import SmallProject, make_params


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> SmallProject:
    """A trained project with its graph kept; to be copied, not changed."""
    project = SmallProject(tmp_path_factory.mktemp("export") / "project", make_params(tiny_weights))
    project.plant(red=12, green=12, blue=12)
    train.run(project.params, project.root)
    return project


@pytest.fixture
def trained(trained_once: SmallProject, tmp_path: Path) -> SmallProject:
    """A copy of the trained project."""
    shutil.copytree(trained_once.root, tmp_path / "project")
    copy = SmallProject(tmp_path / "project", trained_once.params)
    copy.records = list(trained_once.records)
    copy.folds = dict(trained_once.folds)
    return copy
