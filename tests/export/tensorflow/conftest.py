from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dahlia.export.source import Source


@pytest.fixture
def fresh(source: Source, tmp_path: Path) -> Source:
    """The small model with an empty cache of its own."""
    return replace(source, cache=tmp_path / "graphs")
