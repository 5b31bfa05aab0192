"""What attackers send to the server of a Docker export."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dahlia.export.docker.process import running
from http_attacks import SETTINGS, Attacks, Target

pytestmark = pytest.mark.slow

POST = "/customvision/v3.1/prediction/12121212-3434-4565-8787-989898989898/classify/iterations/v1/image"


@pytest.fixture(scope="module")
def target(shared_export: Path) -> Iterator[Target]:
    """The exported server as a process, whose health is asked for by others."""
    with running(shared_export, SETTINGS) as server:
        yield Target(server.port, server.process.pid, POST)


class TestExport(Attacks):
    """Every attack of the table."""
