from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tracking"))

from serving_helpers import FakeSource, build_client
from starlette.testclient import TestClient


@pytest.fixture
def source(tmp_path: Path) -> FakeSource:
    """Iteration 1 published as `Iteration 1` and as `v1`; iteration 2 is there too."""
    return FakeSource(tmp_path / "models", {"Iteration 1": 1, "v1": 1})


@pytest.fixture
def client(source: FakeSource) -> Iterator[TestClient]:
    """The door with a predictor behind it, and nothing else."""
    with build_client(source) as client:
        yield client
