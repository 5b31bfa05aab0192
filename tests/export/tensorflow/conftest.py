from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dahlia.export.port import Source
from dahlia.export.tensorflow.graph import frozen_graph


@pytest.fixture(scope="session")
def kept_once(source_once: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the small model's graph for blue, green, red alone; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("kept") / "graphs"
    frozen_graph(replace(source_once, cache=folder), "BGR")
    return folder


@pytest.fixture
def kept(source: Source, kept_once: Path, tmp_path: Path) -> Source:
    """The small model with a cache of its own that holds its graph for blue, green, red."""
    return replace(source, cache=Path(shutil.copytree(kept_once, tmp_path / "graphs")))


@pytest.fixture
def fresh(source: Source, tmp_path: Path) -> Source:
    """The small model with an empty cache of its own."""
    return replace(source, cache=tmp_path / "graphs")
