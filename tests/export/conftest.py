from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from dahlia import layout
from dahlia.dataset.imaging import Pixels, load, to_tensor_layout
from dahlia.export.port import Batch
from dahlia.export.source import Source
from dahlia.modeling.card import load_card
from dahlia.stages import train
from small_projects import SIZE, SmallProject, make_params


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


@pytest.fixture
def source(trained: SmallProject) -> Source:
    """The small model, as writers get it."""
    bundle = trained.root / layout.BUNDLE
    return Source(bundle, load_card(bundle), trained.root / layout.GRAPH_CACHE, lambda: photos(trained))


@pytest.fixture
def pixels(trained: SmallProject) -> Batch:
    """The photos of the small project: (N, 3, size, size) RGB, 0 to 255."""
    return to_tensor_layout(photos(trained))


@pytest.fixture
def answers(source: Source, pixels: Batch) -> Batch:
    """What the trained module says of them: (N, K)."""
    import torch

    with torch.inference_mode():
        return np.asarray(source.module()(torch.from_numpy(pixels)).numpy())


def photos(project: SmallProject) -> list[Pixels]:
    return [load((project.root / record.path).read_bytes(), SIZE) for record in project.records]
