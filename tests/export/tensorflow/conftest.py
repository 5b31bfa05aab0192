from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dahlia.export.source import Source


@pytest.fixture(scope="session")
def graphs_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that all tests share: the small model is converted once."""
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture
def source(source: Source, graphs_once: Path) -> Source:
    """The small model with its graph kept."""
    return replace(source, cache=graphs_once)


@pytest.fixture
def fresh(source: Source, tmp_path: Path) -> Source:
    """The small model with an empty cache of its own."""
    return replace(source, cache=tmp_path / "graphs")
