from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dahlia.export.source import Source


@pytest.fixture(scope="session")
def graphs_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that all tests share: the small network is converted once."""
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture
def source(source: Source, graphs_once: Path) -> Source:
    """The small model with its backbone's graph kept."""
    return replace(source, cache=graphs_once)
