from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from warm_helpers import PATIENCE, Clients, started

from dahlia.warm.process import WarmProcess

if sys.platform != "linux":
    collect_ignore_glob = ["test_*"]


@pytest.fixture
def warm(tmp_path: Path) -> Iterator[WarmProcess]:
    """One of its own for a test that ends it."""
    with started(tmp_path) as process:
        assert process.wait_until_ready(PATIENCE)
        yield process


@pytest.fixture
def clients(warm: WarmProcess) -> Clients:
    return Clients(warm)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Clients of one that all tests of a file use."""
    with started(tmp_path_factory.mktemp("shared")) as process:
        assert process.wait_until_ready(PATIENCE)
        yield Clients(process)
