from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dahlia.export.source import Source


@pytest.fixture(scope="session")
def tfjs_graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that all tests share: the small model is converted once."""
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture
def source(source: Source, tfjs_graphs: Path) -> Source:
    """The small model with its graph kept."""
    return replace(source, cache=tfjs_graphs)
