"""What attackers send to `bentoml serve`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from running_services import SERVICE, make_project, workers
from serving_helpers import serving, url

from http_attacks import CHECKS, REFUSED, SETTINGS, Target, status_of


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The service in one process, so that it is the one that is attacked."""
    root = make_project(tmp_path_factory.mktemp("project"), {"Iteration 1": 1}).root
    settings = {f"DAHLIA_{name}": value for name, value in SETTINGS.items()} | {"DAHLIA_WORKERS": "1"}
    with serving(SERVICE, root, tmp_path_factory.mktemp("bentoml"), **settings) as (base, pid):
        yield Target(urlsplit(base).port or 0, workers(pid)[0], url(), large="/docs.json")
    assert "Traceback" not in (root / "serve.log").read_text()


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
