"""What attackers send to the server of a Docker export."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dahlia.export.docker.process import running
from http_attacks import CHECKS, REFUSED, SETTINGS, Target, status_of

POST = "/customvision/v3.1/prediction/12121212-3434-4565-8787-989898989898/classify/iterations/v1/image"


@pytest.fixture(scope="module")
def target(shared_export: Path) -> Iterator[Target]:
    """The exported server as a process, whose health is asked for by others."""
    with running(shared_export, SETTINGS) as server:
        yield Target(server.port, server.process.pid, POST)


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(target: Target, sent: Callable[[Target], list[bytes]], status: int) -> None:
    answer = target.answer(*sent(target))
    assert status_of(answer) == status
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_attacks(target: Target, check: Callable[[Target], None]) -> None:
    check(target)
