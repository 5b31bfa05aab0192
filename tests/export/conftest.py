from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_exports import export

from dahlia import layout
from dahlia.dataset.imaging import Pixels, load, to_tensor_layout
from dahlia.export.port import Batch, Source
from dahlia.modeling.card import load_card
from dahlia.stages import train
from small_projects import SIZE, SmallProject, make_params


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> SmallProject:
    """A trained project; to be copied, not changed."""
    project = SmallProject(tmp_path_factory.mktemp("export") / "project", make_params(tiny_weights))
    project.plant(red=12, green=12, blue=12)
    train.run(project.params, project.root)
    return project


@pytest.fixture
def trained(trained_once: SmallProject, tmp_path: Path) -> SmallProject:
    """A copy of the trained project."""
    return trained_once.copy(tmp_path / "project")


@pytest.fixture(scope="session")
def source_once(trained_once: SmallProject) -> Source:
    """The small model, as writers get it; its bundle is not to be changed.

    All tests share its cache, so that the small network is converted once for each family of formats.
    """
    return source_of(trained_once)


@pytest.fixture(scope="session")
def exported_once(trained_once: SmallProject) -> SmallProject:
    """The trained project with an export to ONNX; to be copied, not changed."""
    export(trained_once)
    return trained_once


@pytest.fixture(scope="session")
def known_once(trained_once: SmallProject, source_once: Source) -> tuple[Batch, Batch]:
    """The photos of the small project, and what the trained module says of them."""
    import torch

    pixels = to_tensor_layout(photos(trained_once))
    with torch.inference_mode():
        return pixels, np.asarray(source_once.module()(torch.from_numpy(pixels)).numpy())


@pytest.fixture
def source(trained: SmallProject, source_once: Source) -> Source:
    """The small model with a bundle of this test's own."""
    return replace(source_of(trained), cache=source_once.cache)


@pytest.fixture
def pixels(known_once: tuple[Batch, Batch]) -> Batch:
    """The photos of the small project: (N, 3, size, size) RGB, 0 to 255."""
    return known_once[0].copy()


@pytest.fixture
def answers(known_once: tuple[Batch, Batch]) -> Batch:
    """What the trained module says of them: (N, K)."""
    return known_once[1].copy()


def source_of(project: SmallProject) -> Source:
    bundle = project.root / layout.BUNDLE
    return Source(bundle, load_card(bundle), project.root / layout.GRAPH_CACHE, lambda: photos(project))


def photos(project: SmallProject) -> list[Pixels]:
    return [load((project.root / record.path).read_bytes(), SIZE) for record in project.records]
